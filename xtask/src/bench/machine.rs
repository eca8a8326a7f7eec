//! What a result rests on: the processor, the day, the versions.

use std::time::{SystemTime, UNIX_EPOCH};

/// A line that says where and when a result was measured.
pub(super) fn line(versions: &[&str]) -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|l| l.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    // Two processors of one name may differ in what decides most: the width of vectors.
    let flag = |name: &str| cpus.lines().any(|l| l.starts_with("flags") && l.split(' ').any(|flag| flag == name));
    let vectors = match () {
        _ if flag("avx512f") => " with AVX-512",
        _ if flag("avx2") => " with AVX2",
        _ => "",
    };
    format!("{model}{vectors}, {cores} threads; {}; {}\n", today(), versions.join(", "))
}

/// Today in UTC, as `2026-01-31`.
fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let (year, month, day) = date(seconds / 86_400);
    format!("{year}-{month:02}-{day:02}")
}

/// The date so many days after 1970-01-01.
fn date(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    loop {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let february = if leap { 29 } else { 28 };
        let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        if days >= 337 + february {
            days -= 337 + february;
            year += 1;
            continue;
        }
        let mut month = 1;
        for length in months {
            if days < length {
                break;
            }
            days -= length;
            month += 1;
        }
        return (year, month, days + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_found_across_leap_years() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(59), (1970, 3, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(20_454), (2026, 1, 1));
        assert_eq!(date(20_818), (2026, 12, 31));
    }
}
