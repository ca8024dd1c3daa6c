//! What the candidates of one column (or of one text) amount to.
//!
//! A check digit holds by chance in about one number of ten, so numbers of a series that happen to begin like a date would
//! pass now and then. Where most candidates pass, they are what they look like; where a tenth pass, it is chance; between,
//! it cannot be told. Numbers written with the separators of people need less of this than bare digits.

use super::{Check, Hit, Kind, Sure, masked};
use crate::scan::{limits, report::Place};

/// Counts of the candidates of one kind in one column.
#[derive(Debug, Clone, Default)]
pub(in crate::scan) struct Stat {
    /// Bare digits.
    bare: Counts,
    /// With separators.
    grouped: Counts,
    articles: u64,
    recent: u64,
    places: [Vec<Place>; 3],
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    length: u64,
    form: u64,
    holds: u64,
}

/// What they amount to: how many, how sure, where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scan) struct Verdict {
    /// How sure.
    pub(in crate::scan) sure: Sure,
    /// How many.
    pub(in crate::scan) found: u64,
    /// How many had the form.
    pub(in crate::scan) looked_at: u64,
    /// The first places.
    pub(in crate::scan) places: Vec<Place>,
}

impl Stat {
    /// Counts a candidate in a cell.
    pub(in crate::scan) fn count(&mut self, hit: &Hit, text: &str, row: Option<u64>) {
        let counts = if hit.grouped { &mut self.grouped } else { &mut self.bare };
        counts.length += 1;
        counts.form += u64::from(hit.check >= Check::Form);
        counts.holds += u64::from(hit.check >= Check::Holds);
        if !hit.grouped {
            self.articles += u64::from(hit.article && hit.check > Check::Length);
            self.recent += u64::from(hit.recent && hit.check > Check::Length);
        }
        let at = match hit.check {
            Check::Length => 0,
            Check::Form => 1,
            Check::Holds => 2,
        };
        if let Some(places) = self.places.get_mut(at)
            && places.len() < limits::PLACES
        {
            places.push(Place { row, masked: masked(text.get(hit.span.clone()).unwrap_or_default()) });
        }
    }
}

impl Counts {
    /// Most of those that could pass do.
    const fn mostly(self) -> bool {
        self.holds > 0 && self.holds * 2 >= self.form
    }

    /// More pass than the tenth that chance lets pass, by far.
    const fn beyond_chance(self) -> bool {
        let chance = self.form / 10;
        let excess = self.holds.saturating_sub(chance);
        // Four standard deviations: variance n/10 * 9/10.
        excess > 2 && excess * excess > 144 * self.form / 100
    }
}

/// The verdicts on one kind; `named` says that the column's name announces it.
pub(in crate::scan) fn judge(kind: Kind, stat: &Stat, named: bool) -> Vec<Verdict> {
    let (grouped, bare) = (stat.grouped, stat.bare);
    let mut levels = Levels::default();
    match kind {
        Kind::ResidentNumber | Kind::ForeignerNumber => resident(stat, named, &mut levels),
        Kind::CardNumber => {
            levels.add(if grouped.mostly() || named { Sure::Certain } else { Sure::Possible }, grouped.holds);
            let series = bare.mostly() && (bare.form >= 3 || named);
            let alone = bare.form <= 2 || bare.beyond_chance();
            levels.add(
                if series {
                    Sure::Certain
                } else if alone {
                    Sure::Possible
                } else {
                    Sure::Unlikely
                },
                bare.holds,
            );
        }
        Kind::BusinessNumber => {
            let most = |c: Counts| c.holds * 2 >= c.length;
            levels.add(if most(grouped) || named { Sure::Certain } else { Sure::Possible }, grouped.holds);
            if named && most(bare) {
                levels.add(Sure::Certain, bare.holds);
            } else if bare.length >= 5 && most(bare) {
                levels.add(Sure::Possible, bare.holds);
            }
        }
        Kind::Phone => {
            levels.add(Sure::Certain, grouped.holds);
            levels.add(Sure::Possible, grouped.form - grouped.holds + bare.form - bare.holds);
            let series = named || bare.holds * 2 >= bare.length;
            levels.add(if series { Sure::Certain } else { Sure::Possible }, bare.holds);
            if named {
                levels.add(Sure::Possible, grouped.length - grouped.form + bare.length - bare.form);
            }
        }
        Kind::Email => levels.add(Sure::Certain, grouped.holds),
        Kind::Vin => vin(grouped, named, &mut levels),
        Kind::Position => levels.add(Sure::Possible, grouped.form),
        Kind::PersonColumn => {}
    }
    levels.verdicts(stat)
}

fn resident(stat: &Stat, named: bool, levels: &mut Levels) {
    let (grouped, bare) = (stat.grouped, stat.bare);
    let certain = if grouped.mostly() || named { grouped.holds } else { 0 };
    levels.add(Sure::Certain, certain);
    levels.add(Sure::Possible, grouped.form - certain);

    let articles = bare.form >= 10 && stat.articles * 10 >= bare.form * 9;
    let dated = bare.form * 5 >= bare.length;
    let series = bare.mostly() && dated && (bare.form >= 3 || bare.holds == bare.length);
    if named || (series && !articles) {
        levels.add(Sure::Certain, bare.holds);
        levels.add(Sure::Possible, bare.form - bare.holds);
    } else if !articles && bare.beyond_chance() {
        levels.add(Sure::Possible, bare.holds);
    } else if !articles && stat.recent > 0 && stat.recent * 2 >= bare.length {
        levels.add(Sure::Possible, stat.recent);
    } else {
        levels.add(Sure::Unlikely, bare.holds);
    }
}

fn vin(counts: Counts, named: bool, levels: &mut Levels) {
    if named || counts.holds * 2 >= counts.length {
        levels.add(Sure::Certain, counts.holds);
        let rest = if named { counts.length } else { counts.form };
        levels.add(Sure::Possible, rest - counts.holds);
    } else if counts.form * 2 >= counts.length {
        levels.add(Sure::Possible, counts.form);
    } else if (Counts { form: counts.length, ..counts }).beyond_chance() {
        levels.add(Sure::Possible, counts.holds);
    } else {
        levels.add(Sure::Unlikely, counts.form);
    }
}

#[derive(Default)]
struct Levels([u64; 3]);

impl Levels {
    fn add(&mut self, sure: Sure, found: u64) {
        if let Some(level) = self.0.get_mut(sure as usize) {
            *level += found;
        }
    }

    /// The surest first. Places of candidates whose checks hold come first at every level.
    fn verdicts(self, stat: &Stat) -> Vec<Verdict> {
        let looked_at = stat.bare.length + stat.grouped.length;
        let [length, form, holds] = &stat.places;
        let mut left = holds.iter().chain(form).chain(length);
        [Sure::Certain, Sure::Possible, Sure::Unlikely]
            .into_iter()
            .filter_map(|sure| {
                let found = self.0.get(sure as usize).copied().filter(|found| *found > 0)?;
                let wanted = usize::try_from(found).unwrap_or(usize::MAX).min(limits::PLACES);
                let places = left.by_ref().take(wanted).cloned().collect();
                Some(Verdict { sure, found, looked_at, places })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::find::candidates;

    fn verdicts(kind: Kind, named: bool, cells: impl IntoIterator<Item = String>) -> Vec<(Sure, u64)> {
        let mut stat = Stat::default();
        for (row, cell) in cells.into_iter().enumerate() {
            candidates(&cell, 2026, &mut |text, hit| {
                if hit.kind == kind {
                    stat.count(&hit, text, Some(row as u64));
                }
            });
        }
        judge(kind, &stat, named).into_iter().map(|v| (v.sure, v.found)).collect()
    }

    /// Thirteen digits with a right check digit, for births on every day of a month.
    fn residents(n: u64) -> impl Iterator<Item = String> {
        (0..n).map(|n| {
            let digits =
                format!("8{:01}{:02}{:02}1{:05}", n % 10, n % 12 + 1, n % 28 + 1, n * 7919 % 100_000);
            let sum: u64 = digits
                .bytes()
                .zip([2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5])
                .map(|(d, w)| u64::from(d - b'0') * w)
                .sum();
            format!("{digits}{}", (11 - sum % 11) % 10)
        })
    }

    #[test]
    fn a_column_of_resident_numbers_is_certain_with_and_without_hyphens() {
        assert_eq!(verdicts(Kind::ResidentNumber, false, residents(50)), [(Sure::Certain, 50)]);
        let hyphened = residents(50).map(|n| format!("{}-{}", &n[..6], &n[6..]));
        assert_eq!(verdicts(Kind::ResidentNumber, false, hyphened), [(Sure::Certain, 50)]);
    }

    #[test]
    fn serial_numbers_are_not_taken_for_persons() {
        // A date, a line and a counter: every one has the form, one in eleven the check digit.
        let dated = (0..5000).map(|n| format!("2401011{n:06}"));
        assert!(verdicts(Kind::ResidentNumber, false, dated).iter().all(|(sure, _)| *sure == Sure::Unlikely));
        // Thirteen arbitrary digits.
        let mut state = 7_u64;
        let arbitrary: Vec<_> = (0..5000)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                format!("{:013}", (state >> 20) % 10_000_000_000_000)
            })
            .collect();
        assert!(
            verdicts(Kind::ResidentNumber, false, arbitrary).iter().all(|(sure, _)| *sure == Sure::Unlikely)
        );
        // Milliseconds since 1970, in a month that reads as a date.
        let times = (0..5000_u64).map(|n| (1_701_200_000_000 + n * 1003).to_string());
        assert!(verdicts(Kind::ResidentNumber, false, times).iter().all(|(sure, _)| *sure == Sure::Unlikely));
    }

    #[test]
    fn a_few_among_many_serials_are_at_least_possible() {
        let mixed = (0..500).map(|n| format!("2401011{n:06}")).chain(residents(60));
        let said = verdicts(Kind::ResidentNumber, false, mixed);
        assert!(said.iter().any(|(sure, found)| *sure >= Sure::Possible && *found >= 60), "{said:?}");
    }

    #[test]
    fn numbers_without_check_digit_are_possible() {
        let young = (0..40).map(|n| format!("2101{:02}-3{:06}", n % 28 + 1, n * 7919));
        let said = verdicts(Kind::ResidentNumber, false, young);
        assert_eq!(said, [(Sure::Possible, 40)]);
        let bare = (0..40).map(|n| format!("2101{:02}3{:06}", n % 28 + 1, n * 7919));
        assert_eq!(verdicts(Kind::ResidentNumber, false, bare).first().map(|v| v.0), Some(Sure::Possible));
    }

    #[test]
    fn article_numbers_are_articles() {
        let articles = (0..100_u64).map(|n| {
            let digits = format!("8801{:02}{:02}{:04}", n % 12 + 1, 10 + n % 19, n * 37 % 10_000);
            let sum: u64 = digits
                .bytes()
                .enumerate()
                .map(|(i, d)| u64::from(d - b'0') * if i % 2 == 0 { 1 } else { 3 })
                .sum();
            format!("{digits}{}", (10 - sum % 10) % 10)
        });
        assert!(
            verdicts(Kind::ResidentNumber, false, articles).iter().all(|(sure, _)| *sure == Sure::Unlikely)
        );
    }

    #[test]
    fn korean_vehicles_without_check_digit_are_possible() {
        let vins = (0..110).map(|n| format!("KMHEC41BBCA{n:06}"));
        let said = verdicts(Kind::Vin, false, vins);
        assert_eq!(said, [(Sure::Possible, 110)]);
        let words = (0..110).map(|n| format!("PARTNR7XXBQ{n:06}").replace('Q', "S"));
        assert!(verdicts(Kind::Vin, false, words).iter().all(|(sure, _)| *sure == Sure::Unlikely));
    }

    #[test]
    fn places_are_masked() {
        let mut stat = Stat::default();
        candidates("x 900101-1234568", 2026, &mut |text, hit| stat.count(&hit, text, Some(4)));
        let verdict = judge(Kind::ResidentNumber, &stat, false);
        let place = verdict.first().and_then(|v| v.places.first()).unwrap();
        assert_eq!((place.row, place.masked.as_str()), (Some(4), "******-*******"));
    }
}
