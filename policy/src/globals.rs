//! Give every global of a module that may change a name, so that whoever keeps the instance can put it back (POL-6.1).
//!
//! A module's own globals can be reached from outside only by an export. Exports are added to a copy of the bytes, which is what
//! is compiled; digests are of the bytes as they came. Imported globals there are none: the gate refuses them.
//! Not here: whether the bytes are a module. That was looked at before, and it is again when the copy is compiled.

/// How the added exports are named; a module that has one of that name already does not compile.
const PREFIX: &str = "naru global ";

const GLOBALS: u8 = 6;
const EXPORTS: u8 = 7;
const HEADER: usize = 8;

/// The module with its changing globals exported, and their names. `None` where the bytes are no module of the plain kind.
pub(crate) fn named(wasm: &[u8]) -> Option<(Vec<u8>, Vec<String>)> {
    let found = sections(wasm)?;
    let content = |id| found.iter().find(|section| section.id == id).map(|section| section.content);
    let changing = content(GLOBALS).map_or(Some(Vec::new()), changing)?;
    if changing.is_empty() {
        return Some((wasm.to_vec(), Vec::new()));
    }
    let exports = Reader(content(EXPORTS)?).list()?;
    let names: Vec<String> = changing.iter().map(|index| format!("{PREFIX}{index}")).collect();
    let mut content = Vec::new();
    leb(&mut content, exports.0 + names.len());
    content.extend_from_slice(exports.1);
    for (index, name) in changing.iter().zip(&names) {
        leb(&mut content, name.len());
        content.extend_from_slice(name.as_bytes());
        content.push(3);
        leb(&mut content, *index);
    }
    let mut out = wasm[..HEADER].to_vec();
    for section in &found {
        let content = if section.id == EXPORTS { &content } else { section.content };
        out.push(section.id);
        leb(&mut out, content.len());
        out.extend_from_slice(content);
    }
    Some((out, names))
}

struct Section<'a> {
    id: u8,
    content: &'a [u8],
}

fn sections(wasm: &[u8]) -> Option<Vec<Section<'_>>> {
    let mut rest = Reader(wasm.get(HEADER..)?);
    let mut found = Vec::new();
    while !rest.0.is_empty() {
        let id = rest.byte()?;
        let length = rest.number()?;
        found.push(Section { id, content: rest.take(length)? });
    }
    Some(found)
}

/// Which globals of a section of globals may change.
fn changing(section: &[u8]) -> Option<Vec<usize>> {
    let (count, globals) = Reader(section).list()?;
    let mut rest = Reader(globals);
    let mut found = Vec::new();
    for index in 0..count {
        let (_kind, changes) = (rest.byte()?, rest.byte()?);
        rest.constant()?;
        if changes == 1 {
            found.push(index);
        }
    }
    rest.0.is_empty().then_some(found)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// An unsigned number of at most 32 bits.
    fn number(&mut self) -> Option<usize> {
        let mut value = 0_u64;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return usize::try_from(value).ok();
            }
        }
        None
    }

    /// How many items follow, and what is left.
    fn list(mut self) -> Option<(usize, &'a [u8])> {
        Some((self.number()?, self.0))
    }

    /// Passes over a first value: one constant and the end.
    fn constant(&mut self) -> Option<()> {
        match self.byte()? {
            // i32.const and i64.const: bytes up to one without the high bit.
            0x41 | 0x42 => while self.byte()? >= 0x80 {},
            0x43 => drop(self.take(4)?),
            0x44 => drop(self.take(8)?),
            _ => return None,
        }
        (self.byte()? == 0x0b).then_some(())
    }
}

fn leb(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let low = u8::try_from(value & 0x7f).unwrap_or(0);
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module with these bytes of globals, and one export.
    fn module(globals: &[u8]) -> Vec<u8> {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        bytes.extend([GLOBALS, u8::try_from(globals.len()).unwrap()]);
        bytes.extend(globals);
        bytes.extend([EXPORTS, 5, 1, 1, b'a', 3, 0]);
        bytes
    }

    /// POL-6.1
    #[test]
    fn what_may_change_has_a_name_afterwards_and_nothing_else_is_different() {
        // i32 that changes, i32 that does not, i64 and f64 that change.
        let globals = [
            4, 0x7f, 1, 0x41, 0x80, 0x80, 4, 0x0b, 0x7f, 0, 0x41, 1, 0x0b, 0x7e, 1, 0x42, 0x7f, 0x0b, 0x7c,
            1, 0x44,
        ];
        let globals = [&globals[..], &[0; 8], &[0x0b]].concat();
        let (bytes, names) = named(&module(&globals)).unwrap();
        assert_eq!(names, ["naru global 0", "naru global 2", "naru global 3"]);
        let found = sections(&bytes).unwrap();
        assert_eq!(found[0].content, globals);
        let (count, exports) = Reader(found[1].content).list().unwrap();
        assert_eq!((count, &exports[..4]), (4, &[1, b'a', 3, 0][..]));
        assert_eq!(exports.len(), 4 + 3 * (1 + names[0].len() + 2));
    }

    #[test]
    fn without_one_nothing_is_different_and_what_is_no_module_is_none() {
        let fixed = module(&[1, 0x7f, 0, 0x41, 1, 0x0b]);
        assert_eq!(named(&fixed), Some((fixed.clone(), Vec::new())));
        // Cut short, a value that is computed, and bytes behind the last global.
        assert_eq!(named(&fixed[..fixed.len() - 1]), None);
        assert_eq!(named(&module(&[1, 0x7f, 0, 0x23, 0, 0x0b])), None);
        assert_eq!(named(&module(&[1, 0x7f, 0, 0x41, 1, 0x0b, 0])), None);
        assert_eq!(named(b"\0asm"), None);
    }
}
