//! The inspection image: the side of a stator core, its laminations running across, the weld seam that holds the
//! stack running down, and in the seam a pore with a crack. 512 x 384, 8 bit grey, as a line camera gives it.
//!
//! The PNG is written with stored (uncompressed) deflate blocks: larger than need be, and simple enough to read.

use crate::numbers::{Noise, plane_noise, sin, smooth};

const WIDTH: usize = 512;
const HEIGHT: usize = 384;
/// Height of one lamination in pixels: 0.35 mm sheet at 20 pixels per millimetre.
const SHEET: f64 = 7.0;

/// Draws the picture and encodes it.
pub(crate) fn weld_seam() -> Vec<u8> {
    let mut noise = Noise::new(417);
    let mut pixels = Vec::with_capacity(WIDTH * HEIGHT);
    for row in 0..HEIGHT {
        for column in 0..WIDTH {
            let (x, y) = (column as f64, row as f64);
            let mut grey = laminations(x, y);
            grey = seam(grey, x, y);
            grey = defect(grey, x, y);
            // The lamp stands upper left: brighter there, darker to the corners.
            let (dx, dy) = ((x - 215.0) / 330.0, (y - 160.0) / 300.0);
            grey *= 1.08 - 0.38 * (dx * dx + dy * dy);
            grey += noise.normal() * 2.6;
            pixels.push(scale_bar(column, row).unwrap_or_else(|| grey.clamp(0.0, 255.0).round() as u8));
        }
    }
    encode(&pixels)
}

/// The edges of stacked sheets: each its own brightness, a dark gap, fine vertical marks of the punching tool.
fn laminations(x: f64, y: f64) -> f64 {
    let bent = y + 0.9 * plane_noise(3, x / 90.0, y / 40.0);
    let sheet = (bent / SHEET).floor();
    let within = bent / SHEET - sheet;
    let tone =
        138.0 + 15.0 * plane_noise(11, sheet * 7.31, 0.5) + 9.0 * plane_noise(12, x / 60.0, sheet * 3.7);
    let punched = 7.0 * plane_noise(13, x / 1.7, sheet * 5.3) + 5.0 * plane_noise(14, x / 5.0, sheet * 2.1);
    let gap = smooth((0.5 - (within - 0.5).abs()) / 0.17);
    let rounded = 12.0 * (0.5 - within);
    (tone + punched + rounded) * (0.42 + 0.58 * gap)
}

/// Where the middle of the bead runs at a height.
fn middle(y: f64) -> f64 {
    268.0 + 3.5 * plane_noise(21, 0.5, y / 70.0)
}

/// The bead with its frozen ripples, and the blued zone that the heat left on both sides.
fn seam(under: f64, x: f64, y: f64) -> f64 {
    let away = x - middle(y);
    let half = 36.0 + 3.0 * plane_noise(22, if away < 0.0 { 1.5 } else { 9.5 }, y / 12.0);
    let side = away.abs() / half;
    if side >= 1.0 {
        let heat = 1.0 - smooth((away.abs() - half) / (34.0 + 8.0 * plane_noise(23, x / 30.0, y / 30.0)));
        let undercut = 1.0 - smooth((away.abs() - half) / 4.0);
        return under * (1.0 - 0.42 * heat) * (1.0 - 0.45 * undercut);
    }
    // Ripples are crescents: the pool froze from its edges while the torch moved on downwards.
    let crescent = y + 21.0 * side * side + 2.2 * plane_noise(24, x / 14.0, y / 14.0);
    let ripple = sin(crescent * 0.571) + 0.35 * sin(crescent * 1.142 + 0.8);
    let slope = 34.0 * (-away / half) + 14.0;
    let gloss = 62.0 * smooth(1.0 - ((away + 12.0).abs() / 13.0)) * (0.62 + 0.38 * ripple);
    let grain = 5.0 * plane_noise(25, x / 2.3, y / 2.3);
    let edge = 0.35 + 0.65 * smooth((1.0 - side) / 0.16);
    (128.0 + 17.0 * ripple + slope + gloss + grain) * edge
}

/// An open pore of about 1 mm with a raised rim, spatter around it, and a crack that leaves it to the right.
fn defect(under: f64, x: f64, y: f64) -> f64 {
    let (cx, cy) = (middle(212.0) + 6.0, 212.0);
    let (dx, dy) = (x - cx, (y - cy) * 1.18);
    let distance = (dx * dx + dy * dy).sqrt() + 1.6 * plane_noise(31, x / 5.0, y / 5.0);
    let mut grey = under;
    let wandering =
        cy - 4.0 + 0.34 * dx + 5.5 * plane_noise(32, x / 11.0, 0.5) + 1.8 * plane_noise(33, x / 3.0, 0.5);
    if (8.0..62.0).contains(&dx) {
        let width = 2.3 * (1.0 - (dx - 8.0) / 60.0);
        let inside = 1.0 - smooth(((y - wandering).abs() - width * 0.4) / 1.3);
        grey *= 1.0 - 0.86 * inside;
        grey += 26.0 * (1.0 - smooth((y - wandering - width - 1.2).abs() / 1.4));
    }
    for (sx, sy, size) in [(-21.0, -17.0, 2.6), (-28.0, 11.0, 1.9), (24.0, -21.0, 2.2), (-9.0, 27.0, 1.7)] {
        let (px, py) = (x - cx - sx, y - cy - sy);
        let reach = (px * px + py * py).sqrt() / size;
        if reach < 1.6 {
            grey += (1.0 - smooth(reach / 1.6)) * (70.0 - 34.0 * (px + py) / size);
        }
    }
    if distance < 11.0 {
        let deep = 1.0 - smooth((distance - 4.0) / 6.0);
        // The far wall catches the light of the lamp, the near one lies in shade.
        let wall = 22.0 * smooth((dx + dy) / 14.0);
        grey = grey * (1.0 - deep) + (16.0 + wall) * deep;
    } else if distance < 17.0 {
        let rim = 1.0 - (distance - 14.0).abs() / 3.0;
        grey += rim * 42.0 * smooth(0.5 - (dx + dy) / 26.0) - rim * 14.0 * smooth(0.5 + (dx + dy) / 26.0);
    }
    grey
}

/// Digit and letters of the scale bar, five rows of up to five bits each.
const GLYPHS: [(usize, [u8; 5]); 3] = [
    (0, [0b11110, 0b10000, 0b11110, 0b00010, 0b11100]),
    (8, [0b00000, 0b11010, 0b10101, 0b10101, 0b10101]),
    (14, [0b00000, 0b11010, 0b10101, 0b10101, 0b10101]),
];

/// The overlay of the camera software: a bar of 5 mm (100 pixels) and its legend, white on black.
fn scale_bar(column: usize, row: usize) -> Option<u8> {
    let (x, y) = (column.checked_sub(16)?, row.checked_sub(346)?);
    if x >= 116 || y >= 28 {
        return None;
    }
    let bar = (8..108).contains(&x) && (20..23).contains(&y);
    let ticks = ((8..10).contains(&x) || (106..108).contains(&x)) && (16..27).contains(&y);
    let text = y.checked_sub(4).zip(x.checked_sub(38)).is_some_and(|(ty, tx)| {
        ty < 10
            && GLYPHS.iter().any(|(at, rows)| {
                (tx / 2).checked_sub(*at).is_some_and(|bit| bit < 5 && rows[ty / 2] >> (4 - bit) & 1 == 1)
            })
    });
    Some(if bar || ticks || text { 245 } else { 12 })
}

fn encode(pixels: &[u8]) -> Vec<u8> {
    let mut rows = Vec::with_capacity(pixels.len() + HEIGHT);
    for row in pixels.chunks_exact(WIDTH) {
        rows.push(0); // no filter
        rows.extend_from_slice(row);
    }
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = Vec::new();
    head.extend_from_slice(&(WIDTH as u32).to_be_bytes());
    head.extend_from_slice(&(HEIGHT as u32).to_be_bytes());
    head.extend_from_slice(&[8, 0, 0, 0, 0]);
    chunk(&mut png, *b"IHDR", &head);
    // 20 pixels per millimetre on both axes.
    let mut size = 20_000u32.to_be_bytes().to_vec();
    size.extend_from_slice(&20_000u32.to_be_bytes());
    size.push(1);
    chunk(&mut png, *b"pHYs", &size);
    chunk(&mut png, *b"IDAT", &zlib_stored(&rows));
    chunk(&mut png, *b"IEND", &[]);
    png
}

fn chunk(png: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    png.extend_from_slice(&(content.len() as u32).to_be_bytes());
    let start = png.len();
    png.extend_from_slice(&kind);
    png.extend_from_slice(content);
    let sum = crc32(&png[start..]);
    png.extend_from_slice(&sum.to_be_bytes());
}

/// A zlib stream of stored blocks (RFC 1950, RFC 1951 section 3.2.4).
fn zlib_stored(content: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let last = content.len().div_ceil(0xffff).saturating_sub(1);
    for (index, block) in content.chunks(0xffff).enumerate() {
        out.push(u8::from(index == last));
        out.extend_from_slice(&(block.len() as u16).to_le_bytes());
        out.extend_from_slice(&(!(block.len() as u16)).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&adler32(content).to_be_bytes());
    out
}

/// The checksum of PNG chunks.
pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg());
        }
    }
    !sum
}

/// The checksum of zlib streams.
pub(crate) fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1u32, 0u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    (high << 16) | low
}
