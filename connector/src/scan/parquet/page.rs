//! Pages of a Parquet column: unpacked within a limit, and their values one by one.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use crate::scan::{limits, report::Reason};

/// How values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int32,
    Int64,
    Int96,
    Float,
    Double,
    Bytes,
    Fixed(usize),
}

/// A value that can be looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell {
    Int(i64),
    Float(f64),
    Bytes(Vec<u8>),
    /// Of no use here.
    Other,
}

/// Unpacks a page that says how large it is.
pub(super) fn unpack(codec: i64, packed: &[u8], size: usize) -> Result<Vec<u8>, Reason> {
    if size > limits::PARQUET_PAGE {
        return Err(Reason::Unpacks);
    }
    match codec {
        0 => Ok(packed.to_vec()),
        1 => {
            let says = snap::raw::decompress_len(packed).map_err(|_| Reason::Damaged)?;
            if says > limits::PARQUET_PAGE {
                return Err(Reason::Unpacks);
            }
            snap::raw::Decoder::new().decompress_vec(packed).map_err(|_| Reason::Damaged)
        }
        2 => {
            let mut bytes = Vec::new();
            let limit = limits::PARQUET_PAGE as u64 + 1;
            MultiGzDecoder::new(packed).take(limit).read_to_end(&mut bytes).map_err(|_| Reason::Damaged)?;
            if bytes.len() > limits::PARQUET_PAGE { Err(Reason::Unpacks) } else { Ok(bytes) }
        }
        _ => Err(Reason::Packing),
    }
}

/// Plain values, at most `count`.
pub(super) fn plain(kind: Type, mut bytes: &[u8], count: usize) -> Result<Vec<Cell>, Reason> {
    if kind == Type::Bool {
        return Ok(vec![Cell::Other; count.min(bytes.len().saturating_mul(8))]);
    }
    let mut cells = Vec::new();
    for _ in 0..count {
        let length = match kind {
            Type::Bool => 0,
            Type::Int32 | Type::Float => 4,
            Type::Int64 | Type::Double => 8,
            Type::Int96 => 12,
            Type::Fixed(length) => length,
            Type::Bytes => {
                let four = bytes.first_chunk::<4>().ok_or(Reason::Damaged)?;
                bytes = bytes.get(4..).unwrap_or_default();
                u32::from_le_bytes(*four) as usize
            }
        };
        let (value, rest) = bytes.split_at_checked(length).ok_or(Reason::Damaged)?;
        bytes = rest;
        cells.push(cell(kind, value));
    }
    Ok(cells)
}

fn cell(kind: Type, value: &[u8]) -> Cell {
    let four = value.first_chunk::<4>().copied().unwrap_or_default();
    let eight = value.first_chunk::<8>().copied().unwrap_or_default();
    match kind {
        Type::Int32 => Cell::Int(i64::from(i32::from_le_bytes(four))),
        Type::Int64 => Cell::Int(i64::from_le_bytes(eight)),
        Type::Float => Cell::Float(f64::from(f32::from_le_bytes(four))),
        Type::Double => Cell::Float(f64::from_le_bytes(eight)),
        Type::Bytes | Type::Fixed(_) => Cell::Bytes(value.to_vec()),
        Type::Bool | Type::Int96 => Cell::Other,
    }
}

/// Numbers of a hybrid of runs and packed bits, `width` bits each, at most `count`.
pub(super) fn hybrid(mut bytes: &[u8], width: u32, count: usize) -> Result<Vec<u32>, Reason> {
    if width > 32 {
        return Err(Reason::Damaged);
    }
    if width == 0 {
        return Ok(vec![0; count]);
    }
    let wide = width.div_ceil(8) as usize;
    let mut values = Vec::new();
    while values.len() < count {
        let head = varint(&mut bytes)?;
        let missing = count - values.len();
        if head & 1 == 0 {
            let run = usize::try_from(head >> 1).map_err(|_| Reason::Damaged)?;
            let (value, rest) = bytes.split_at_checked(wide).ok_or(Reason::Damaged)?;
            let value = value.iter().rev().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
            values.resize(values.len() + run.min(missing), value);
            if run == 0 {
                return Err(Reason::Damaged);
            }
            bytes = rest;
        } else {
            let groups = usize::try_from(head >> 1).map_err(|_| Reason::Damaged)?;
            let length = groups.checked_mul(width as usize).ok_or(Reason::Damaged)?;
            // The last group may be cut at the end of the page.
            let (packed, rest) = bytes.split_at(length.min(bytes.len()));
            if packed.is_empty() {
                return Err(Reason::Damaged);
            }
            bits(packed, width, missing.min(groups.saturating_mul(8)), &mut values);
            bytes = rest;
        }
    }
    Ok(values)
}

fn bits(packed: &[u8], width: u32, count: usize, values: &mut Vec<u32>) {
    let (mut held, mut have) = (0_u64, 0_u32);
    let mut bytes = packed.iter();
    for _ in 0..count {
        while have < width {
            let Some(byte) = bytes.next() else { return };
            held |= u64::from(*byte) << have;
            have += 8;
        }
        values.push(u32::try_from(held & ((1 << width) - 1)).unwrap_or(u32::MAX));
        held >>= width;
        have -= width;
    }
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Reason> {
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(Reason::Damaged)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Reason::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrids_of_runs_and_bits() {
        // A run of five threes, then eight values of three bits: 0 to 7, as in the description of the format.
        let bytes = [10, 3, 3, 0b1000_1000, 0b1100_0110, 0b1111_1010];
        assert_eq!(hybrid(&bytes, 3, 13).unwrap(), [3, 3, 3, 3, 3, 0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(hybrid(&[], 0, 3).unwrap(), [0, 0, 0]);
        for bad in [&[][..], &[0, 1], &[10], &[3]] {
            assert_eq!(hybrid(bad, 3, 13), Err(Reason::Damaged), "{bad:?}");
        }
    }

    #[test]
    fn pages_do_not_unpack_beyond_the_limit() {
        let zeros = vec![0; limits::PARQUET_PAGE + 1];
        let packed = snap::raw::Encoder::new().compress_vec(&zeros).unwrap();
        assert_eq!(unpack(1, &packed, 10), Err(Reason::Unpacks));
        assert_eq!(unpack(6, &[1, 2], 10), Err(Reason::Packing));
        assert_eq!(plain(Type::Bytes, &[0xff, 0xff, 0xff, 0xff, 1], 1), Err(Reason::Damaged));
    }
}
