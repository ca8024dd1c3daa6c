//! Arithmetic that gives the same bits everywhere: a sine from additions and products, and a counted pseudo-random source.

use std::f64::consts::{PI, TAU};

/// Sine by range reduction and a Taylor polynomial; good to about 1e-9, and exact in the sense that matters here:
/// addition, product and rounding to an integer are defined to the last bit by IEEE 754, a library's sine is not.
pub(crate) fn sin(x: f64) -> f64 {
    let mut r = x - (x / TAU).round() * TAU;
    if r > PI / 2.0 {
        r = PI - r;
    } else if r < -PI / 2.0 {
        r = -PI - r;
    }
    let s = r * r;
    let inner = 1.0 - s / 110.0 * (1.0 - s / 156.0);
    let inner = 1.0 - s / 42.0 * (1.0 - s / 72.0 * inner);
    r * (1.0 - s / 6.0 * (1.0 - s / 20.0 * inner))
}

/// Cosine, from the sine.
pub(crate) fn cos(x: f64) -> f64 {
    sin(x + PI / 2.0)
}

/// A SplitMix64 sequence: small, well distributed, the same for the same seed.
pub(crate) struct Noise(u64);

impl Noise {
    /// Starts the sequence of a seed.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in -1.0..1.0.
    pub(crate) fn uniform(&mut self) -> f64 {
        2.0 * unit(self.next()) - 1.0
    }

    /// Roughly normal with deviation 1: the sum of four uniforms, scaled.
    pub(crate) fn normal(&mut self) -> f64 {
        let sum = self.uniform() + self.uniform() + self.uniform() + self.uniform();
        sum * 0.866
    }
}

const fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The upper 53 bits as a fraction in 0.0..1.0.
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// Smooth noise over the plane in -1.0..1.0: lattice values joined by a cubic. For grain, scratches and stains.
pub(crate) fn plane_noise(seed: u64, x: f64, y: f64) -> f64 {
    let lattice = |i: f64, j: f64| {
        let place = (i as i64 as u64).wrapping_mul(0x9e37_79b9)
            ^ (j as i64 as u64).wrapping_mul(0x85eb_ca6b_0000_0001);
        2.0 * unit(mix(place ^ seed)) - 1.0
    };
    let (i, j) = (x.floor(), y.floor());
    let (u, v) = (smooth(x - i), smooth(y - j));
    let top = lattice(i, j) + (lattice(i + 1.0, j) - lattice(i, j)) * u;
    let low = lattice(i, j + 1.0) + (lattice(i + 1.0, j + 1.0) - lattice(i, j + 1.0)) * u;
    top + (low - top) * v
}

/// 0 below 0, 1 above 1, a cubic between.
pub(crate) fn smooth(t: f64) -> f64 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
