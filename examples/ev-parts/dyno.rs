//! The dynamometer series: four minutes of an inverter endurance run, ten rows a second.
//!
//! A 400 V inverter drives a permanent-magnet motor (4 pole pairs, 0.66 Nm per ampere r.m.s., field weakening above
//! 5200 rpm) through load steps. Copper, iron and switching losses warm winding, power modules and coolant by
//! first-order lags; the battery emulator sags by its resistance. Late in the run the coolant pump falters, the
//! modules pass 118 degrees Celsius and the inverter derates (fault code 0x21): something for the reader to find.

use std::fmt::Write as _;

use crate::numbers::Noise;

const ROWS: u32 = 2_400;
const STEP: f64 = 0.1;
/// (second at which it begins, torque asked for in Nm, speed asked for in rpm).
const PROFILE: [(f64, f64, f64); 10] = [
    (0.0, 0.0, 800.0),
    (10.0, 60.0, 2_000.0),
    (40.0, 120.0, 3_000.0),
    (70.0, 180.0, 4_000.0),
    (95.0, 90.0, 6_500.0),
    (120.0, -70.0, 5_000.0),
    (140.0, 200.0, 3_500.0),
    (185.0, 150.0, 5_500.0),
    (210.0, -110.0, 4_500.0),
    (228.0, 0.0, 1_000.0),
];

/// What the bench measures at one moment.
struct Bench {
    torque: f64,
    speed: f64,
    module: f64,
    winding: f64,
    coolant: f64,
    derated: bool,
}

/// Writes the whole series as CSV with a header line.
pub(crate) fn series() -> String {
    let mut noise = Noise::new(2_025);
    let mut bench =
        Bench { torque: 0.0, speed: 800.0, module: 41.0, winding: 38.5, coolant: 35.0, derated: false };
    let mut csv = String::from(
        "t_s,torque_cmd_nm,torque_nm,speed_rpm,i_u_arms,i_v_arms,i_w_arms,v_dc_v,i_dc_a,temp_module_c,temp_winding_c,\
         temp_coolant_c,fault_code\n",
    );
    for row in 0..ROWS {
        bench.row(f64::from(row) * STEP, &mut noise, &mut csv);
    }
    csv
}

impl Bench {
    fn row(&mut self, t: f64, noise: &mut Noise, csv: &mut String) {
        let (asked, speed) =
            PROFILE.iter().rev().find(|(from, ..)| t >= *from).map_or((0.0, 0.0), |p| (p.1, p.2));
        let limit = if self.derated { 110.0 } else { 220.0 };
        self.torque += 0.42 * (asked.clamp(-limit, limit) - self.torque);
        self.speed += 0.075 * (speed - self.speed);
        let weakening = ((self.speed - 5_200.0) / 5_200.0).max(0.0);
        let current = (self.torque * self.torque / (0.66 * 0.66) + 140.0 * 140.0 * weakening + 9.0).sqrt();
        let shaft = self.torque * self.speed * std::f64::consts::TAU / 60.0;
        let copper = 3.0 * 0.0105 * current * current;
        let iron = 0.000_019 * self.speed * self.speed;
        let switching = 190.0 + 5.4 * current + 0.009 * current * current;
        let power = shaft + copper + iron + switching;
        // v = open - r * p / v, solved once around the open-circuit voltage: the sag is small.
        let direct = power / 402.0;
        let voltage = 402.0 - 0.045 * direct;
        self.warm(t, copper + iron, switching);
        let (u, v, w) = (1.004 * current, 0.997 * current, 0.999 * current);
        let code = if self.derated { "0x21" } else { "0x00" };
        let _ = writeln!(
            csv,
            "{t:.1},{asked:.0},{:.2},{:.0},{:.2},{:.2},{:.2},{:.2},{:.2},{:.2},{:.2},{:.2},{code}",
            self.torque + 0.35 * noise.normal(),
            self.speed + 1.8 * noise.normal(),
            u + 0.25 * noise.normal(),
            v + 0.25 * noise.normal(),
            w + 0.25 * noise.normal(),
            voltage + 0.12 * noise.normal(),
            power / voltage + 0.2 * noise.normal(),
            self.module + 0.06 * noise.normal(),
            self.winding + 0.06 * noise.normal(),
            self.coolant + 0.04 * noise.normal(),
        );
    }

    /// One step of the three temperatures; the pump falters from 150 s to 172 s.
    fn warm(&mut self, t: f64, motor: f64, inverter: f64) {
        let flow = if (150.0..172.0).contains(&t) { 0.16 } else { 1.0 };
        self.module += STEP / 6.0 * (self.coolant + inverter * 0.0185 / (0.30 + 0.70 * flow) - self.module);
        self.winding += STEP / 85.0 * (self.coolant + motor * 0.022 - self.winding);
        self.coolant += STEP / 30.0 * (35.0 + (motor + inverter) * 0.0011 / flow - self.coolant);
        if self.module > 118.0 {
            self.derated = true;
        } else if self.module < 80.0 {
            self.derated = false;
        }
    }
}
