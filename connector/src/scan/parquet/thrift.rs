//! The compact form of Thrift, as Parquet writes its headers: read into a tree of bounded size.

use crate::scan::{limits, report::Reason};

/// Values of one header; a footer of many thousand columns stays below.
const VALUES: usize = 2_000_000;

/// A value. Numbers of all widths are one.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Int(i64),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Struct(Vec<(i16, Self)>),
    /// Of no use here.
    Other,
}

impl Value {
    /// A member of a struct.
    pub(super) fn get(&self, id: i16) -> Option<&Self> {
        match self {
            Self::Struct(members) => members.iter().find(|(member, _)| *member == id).map(|(_, value)| value),
            Self::Int(_) | Self::Bytes(_) | Self::List(_) | Self::Other => None,
        }
    }

    /// A number of a struct.
    pub(super) fn int(&self, id: i16) -> Option<i64> {
        match self.get(id)? {
            Self::Int(value) => Some(*value),
            Self::Bytes(_) | Self::List(_) | Self::Struct(_) | Self::Other => None,
        }
    }

    /// A number that counts or measures.
    pub(super) fn size(&self, id: i16) -> Option<usize> {
        usize::try_from(self.int(id)?).ok()
    }

    /// A text of a struct.
    pub(super) fn text(&self, id: i16) -> Option<String> {
        match self.get(id)? {
            Self::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::Int(_) | Self::List(_) | Self::Struct(_) | Self::Other => None,
        }
    }

    /// A list of a struct; empty where there is none.
    pub(super) fn list(&self, id: i16) -> &[Self] {
        match self.get(id) {
            Some(Self::List(values)) => values,
            Some(Self::Int(_) | Self::Bytes(_) | Self::Struct(_) | Self::Other) | None => &[],
        }
    }
}

/// Reads one struct from the beginning of bytes, and how many it took.
pub(super) fn read(bytes: &[u8]) -> Result<(Value, usize), Reason> {
    let mut reader = Reader { rest: bytes, left: VALUES };
    let value = reader.structure(0)?;
    Ok((value, bytes.len() - reader.rest.len()))
}

struct Reader<'a> {
    rest: &'a [u8],
    left: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, Reason> {
        let (first, rest) = self.rest.split_first().ok_or(Reason::Damaged)?;
        self.rest = rest;
        Ok(*first)
    }

    fn varint(&mut self) -> Result<u64, Reason> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Reason::Damaged)
    }

    fn zigzag(&mut self) -> Result<i64, Reason> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Reason> {
        let length = usize::try_from(self.varint()?).map_err(|_| Reason::Damaged)?;
        let bytes = self.rest.get(..length).ok_or(Reason::Damaged)?;
        self.rest = self.rest.get(length..).unwrap_or_default();
        Ok(bytes.to_vec())
    }

    fn structure(&mut self, depth: usize) -> Result<Value, Reason> {
        if depth > limits::NESTING {
            return Err(Reason::TooDeep);
        }
        let mut members = Vec::new();
        let mut id = 0_i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(Value::Struct(members));
            }
            id = match head >> 4 {
                0 => i16::try_from(self.zigzag()?).map_err(|_| Reason::Damaged)?,
                delta => id.checked_add(i16::from(delta)).ok_or(Reason::Damaged)?,
            };
            // The values true and false stand in the type.
            let value = if matches!(head & 15, 1 | 2) {
                Value::Int(i64::from(head & 15 == 1))
            } else {
                self.value(head & 15, depth)?
            };
            members.push((id, value));
        }
    }

    fn value(&mut self, kind: u8, depth: usize) -> Result<Value, Reason> {
        self.left = self.left.checked_sub(1).ok_or(Reason::TooLarge)?;
        Ok(match kind {
            1..=3 => Value::Int(i64::from(self.byte()?)),
            4..=6 => Value::Int(self.zigzag()?),
            7 => {
                self.rest = self.rest.get(8..).ok_or(Reason::Damaged)?;
                Value::Other
            }
            8 => Value::Bytes(self.bytes()?),
            9 | 10 => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.varint()?,
                    few => u64::from(few),
                };
                // Each takes a byte at least.
                if count > self.rest.len() as u64 || depth > limits::NESTING {
                    return Err(Reason::Damaged);
                }
                let values: Result<_, _> = (0..count).map(|_| self.value(head & 15, depth + 1)).collect();
                Value::List(values?)
            }
            11 => {
                let count = self.varint()?;
                if count > self.rest.len() as u64 || depth > limits::NESTING {
                    return Err(Reason::Damaged);
                }
                let kinds = if count > 0 { self.byte()? } else { 0 };
                for _ in 0..count {
                    self.value(kinds >> 4, depth + 1)?;
                    self.value(kinds & 15, depth + 1)?;
                }
                Value::Other
            }
            12 => self.structure(depth + 1)?,
            _ => return Err(Reason::Damaged),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structs_lists_and_their_bounds() {
        // 1: i32 -1; 2: "ab"; 3: list of two i64; 5: true.
        let bytes = [0x15, 0x01, 0x18, 2, b'a', b'b', 0x19, 0x26, 4, 6, 0x21, 0];
        let (value, used) = read(&bytes).unwrap();
        assert_eq!(used, bytes.len());
        assert_eq!((value.int(1), value.text(2).as_deref(), value.int(5)), (Some(-1), Some("ab"), Some(1)));
        assert_eq!(value.list(3), [Value::Int(2), Value::Int(3)]);
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut]), Err(Reason::Damaged));
        }
        assert_eq!(read(&[0x1c; 1000]), Err(Reason::TooDeep));
        // A list that says it has more than there is.
        assert_eq!(read(&[0x19, 0xf5, 0xff, 0xff, 0xff, 0x7f, 0]), Err(Reason::Damaged));
    }
}
