//! What a template's typed fields take.
//!
//! The kind is the key's name without its number. Fields of the old templates (`first`, `keyword1`, `remark`) take
//! anything.

/// Whether the value fits the field's kind.
pub(super) fn fits(key: &str, value: &str) -> bool {
    let count = value.chars().count();
    match key.trim_end_matches(|end: char| end.is_ascii_digit()) {
        "thing" => count <= 20,
        "number" => count <= 32 && value.parse::<f64>().is_ok_and(f64::is_finite),
        "letter" => count <= 32 && value.chars().all(|one| one.is_ascii_alphabetic()),
        "symbol" => count <= 5 && !value.chars().any(char::is_alphanumeric),
        "character_string" => count <= 32 && value.chars().all(|one| one.is_ascii() && !one.is_control()),
        "time" | "date" => is_time(value),
        "amount" => is_amount(value),
        "phone_number" => {
            count <= 17 && value.chars().all(|one| one.is_ascii_digit() || "+- ()".contains(one))
        }
        "car_number" => count <= 8,
        "name" => count <= if value.is_ascii() { 20 } else { 10 },
        "phrase" => count <= 5 && value.chars().all(|one| !one.is_ascii()),
        _ => true,
    }
}

/// `15:01`, `2019年10月1日`, `2019年10月1日 15:01`, `2026-01-02`, `2026-01-02 09:06`, `2026-01-02 09:06:07`.
fn is_time(value: &str) -> bool {
    let mut parts = value.splitn(2, ' ');
    let first = parts.next().unwrap_or_default();
    match parts.next() {
        None => is_clock(first) || is_day(first),
        Some(rest) => is_day(first) && is_clock(rest),
    }
}

fn is_clock(value: &str) -> bool {
    let numbers: Vec<&str> = value.split(':').collect();
    let bounds = [24, 60, 60];
    (2..=3).contains(&numbers.len())
        && numbers.iter().zip(bounds).all(|(text, bound)| number(text).is_some_and(|number| number < bound))
}

fn is_day(value: &str) -> bool {
    let plain = value.replace(['年', '月'], "-").replace('日', "");
    let numbers: Vec<Option<u32>> = plain.split(['-', '/']).map(number).collect();
    matches!(numbers[..], [Some(year), Some(month), Some(day)]
        if (1_000..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day))
}

fn number(text: &str) -> Option<u32> {
    (text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn is_amount(value: &str) -> bool {
    let bare = value.trim_start_matches(['¥', '¥', '$', '€', '£']).trim_end_matches('元');
    let digits = bare.chars().filter(char::is_ascii_digit).count();
    (1..=10).contains(&digits) && bare.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_takes_its_own() {
        for (key, value) in [
            ("thing1", "磁盘将满:/var 只剩百分之三了啊"),
            ("time2", "2026-01-02 09:06"),
            ("time2", "15:01"),
            ("date12", "2019年10月1日 15:01"),
            ("phrase3", "严重"),
            ("character_string4", "run-42_a"),
            ("number5", "3.25"),
            ("amount6", "¥12.50元"),
            ("name7", "张三"),
            ("first", "什么都行,多长都行,不分类型,因为这是旧模板的字段"),
        ] {
            assert!(fits(key, value), "{key} takes {value}");
        }
    }

    #[test]
    fn and_nothing_else() {
        for (key, value) in [
            ("thing1", "一二三四五六七八九十一二三四五六七八九十一"),
            ("time2", "2026-01-02T09:06:00Z"),
            ("time2", "2026-01-02 09:06~10:00"),
            ("time2", "25:00"),
            ("phrase3", "critical"),
            ("phrase3", "非常非常严重"),
            ("character_string4", "编号"),
            ("number5", "many"),
            ("letter8", "a1"),
            ("amount6", "元"),
        ] {
            assert!(!fits(key, value), "{key} does not take {value}");
        }
    }
}
