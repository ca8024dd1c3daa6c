//! The machine's sound: three seconds of a spindle motor whose bearing has a flaw in its outer ring.
//!
//! A 4-pole motor on 60 Hz mains at 1788 rpm: hum at 120 Hz and its multiples, the shaft at 29.8 Hz, air noise, and
//! at 106.8 Hz (3.585 times the shaft, a 6205 bearing) short rings of the housing near 3.2 kHz, each a ball that
//! rolls over the flaw. Mono, 16 bit, 16 kHz: the shape of the public machine-sound collections.

use std::f64::consts::TAU;

use crate::numbers::{Noise, cos, sin};

const RATE: u32 = 16_000;
const SECONDS: u32 = 3;
const SHAFT: f64 = 29.8;
const BALL_PASS: f64 = 3.585 * SHAFT;

/// Renders the sound and wraps it in a WAV file.
pub(crate) fn motor() -> Vec<u8> {
    let mut noise = Noise::new(6205);
    let mut housing = Resonance::new(3_180.0, 0.9865);
    let mut shield = Resonance::new(1_240.0, 0.990);
    let (mut air, mut passes) = (0.0, 0.0);
    let mut samples = Vec::with_capacity((RATE * SECONDS) as usize);
    for n in 0..RATE * SECONDS {
        let t = f64::from(n) / f64::from(RATE);
        let hum = 0.115 * sin(TAU * 120.0 * t)
            + 0.05 * sin(TAU * 240.0 * t + 0.7)
            + 0.028 * sin(TAU * 360.0 * t + 2.1)
            + 0.02 * sin(TAU * 60.0 * t);
        let shaft = 0.045 * sin(TAU * SHAFT * t) + 0.018 * sin(TAU * 2.0 * SHAFT * t + 1.2);
        let slots = 0.016 * sin(TAU * 34.0 * SHAFT * t) * (1.0 + 0.3 * sin(TAU * SHAFT * t));
        air += 0.12 * (noise.normal() - air);
        // A ball hits the flaw each time the phase passes a whole number; its spacing wanders by about one percent.
        passes += BALL_PASS / f64::from(RATE) * (1.0 + 0.012 * noise.uniform());
        let mut strike = 0.0;
        if passes >= 1.0 {
            passes -= 1.0;
            strike = 0.30 * (1.0 + 0.25 * sin(TAU * SHAFT * t)) * (1.0 + 0.15 * noise.uniform());
        }
        let ring = housing.step(strike) + 0.35 * shield.step(strike);
        let value = hum + shaft + slots + 0.055 * air + 0.008 * noise.normal() + ring;
        samples.push((value * 0.85 * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16);
    }
    encode(&samples)
}

/// A two-pole filter: struck once, it rings at its frequency and dies away.
struct Resonance {
    feedback: f64,
    damping: f64,
    last: [f64; 2],
}

impl Resonance {
    fn new(frequency: f64, radius: f64) -> Self {
        let feedback = 2.0 * radius * cos(TAU * frequency / f64::from(RATE));
        Self { feedback, damping: radius * radius, last: [0.0; 2] }
    }

    fn step(&mut self, input: f64) -> f64 {
        let out = input + self.feedback * self.last[0] - self.damping * self.last[1];
        self.last = [out, self.last[0]];
        out
    }
}

fn encode(samples: &[i16]) -> Vec<u8> {
    let size = samples.len() as u32 * 2;
    let mut wav = b"RIFF".to_vec();
    wav.extend_from_slice(&(36 + size).to_le_bytes());
    wav.extend_from_slice(b"WAVEfmt ");
    wav.extend_from_slice(&16u32.to_le_bytes());
    wav.extend_from_slice(&1u16.to_le_bytes()); // PCM
    wav.extend_from_slice(&1u16.to_le_bytes()); // mono
    wav.extend_from_slice(&RATE.to_le_bytes());
    wav.extend_from_slice(&(RATE * 2).to_le_bytes());
    wav.extend_from_slice(&2u16.to_le_bytes());
    wav.extend_from_slice(&16u16.to_le_bytes());
    wav.extend_from_slice(b"data");
    wav.extend_from_slice(&size.to_le_bytes());
    wav.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    wav
}
