//! The tray icon as pixels: a bell, drawn here so that state and count can be put on it.
//!
//! A panel asks for ARGB32 in network byte order. Three sizes cover panels of 22 px up to 48 px; together 15 KB, made
//! when the state changes and kept by the tray alone.

/// Sizes offered, pixels: the usual panel, GNOME's and KDE's, and high resolutions.
pub const SIZES: [u32; 3] = [22, 32, 48];
/// Counts above show as "9+": two digits are not readable at 22 px.
const BADGE_MOST: u64 = 9;
/// Samples per pixel and axis: enough for smooth edges, 37 000 tests for the largest size.
const SAMPLES: u32 = 4;

/// What the icon says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Face {
    /// Connected.
    Ok,
    /// No popups for now.
    Paused,
    /// No connection.
    Offline,
    /// Something needs the person.
    Problem,
}

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Icon {
    /// The state.
    pub face: Face,
    /// Unread messages.
    pub unread: u64,
}

/// One size of an icon.
#[derive(Clone, PartialEq, Eq)]
pub struct Pixmap {
    /// Width and height.
    pub size: u32,
    /// ARGB32, network byte order.
    pub argb: Vec<u8>,
}

type Colour = [u8; 3];

const OUTLINE: Colour = [0x4a, 0x40, 0x38];
const WHITE: Colour = [0xff, 0xff, 0xff];
const BADGE: Colour = [0xd4, 0x2a, 0x2a];
const PAUSE: Colour = [0x2f, 0x5d, 0x8a];
const WARNING: Colour = [0xff, 0xd4, 0x00];
const DARK: Colour = [0x3a, 0x2f, 0x00];

impl Icon {
    /// All sizes.
    pub fn pixmaps(self) -> Vec<Pixmap> {
        SIZES.iter().map(|size| self.pixmap(*size)).collect()
    }

    fn pixmap(self, size: u32) -> Pixmap {
        let mut argb = Vec::with_capacity((size * size * 4) as usize);
        for y in 0..size {
            for x in 0..size {
                argb.extend_from_slice(&self.pixel(x, y, size));
            }
        }
        Pixmap { size, argb }
    }

    /// Average of the samples, alpha first, colour not premultiplied.
    fn pixel(self, x: u32, y: u32, size: u32) -> [u8; 4] {
        let (mut covered, mut sum) = (0u32, [0u32; 3]);
        for sub in 0..SAMPLES * SAMPLES {
            let at = |pixel: u32, sub: u32| {
                (pixel as f32 + (sub as f32 + 0.5) / SAMPLES as f32) * 48.0 / size as f32
            };
            if let Some(colour) = self.colour(at(x, sub % SAMPLES), at(y, sub / SAMPLES)) {
                covered += 1;
                for (total, part) in sum.iter_mut().zip(colour) {
                    *total += u32::from(part);
                }
            }
        }
        let mean = |total: u32| u8::try_from(total / covered.max(1)).unwrap_or(u8::MAX);
        let alpha = u8::try_from(covered * 255 / (SAMPLES * SAMPLES)).unwrap_or(u8::MAX);
        [alpha, mean(sum[0]), mean(sum[1]), mean(sum[2])]
    }

    /// The colour at a point of the 48 × 48 drawing; marks lie above the bell, the count above everything.
    fn colour(self, x: f32, y: f32) -> Option<Colour> {
        self.badge(x, y).or_else(|| self.mark(x, y)).or_else(|| self.bell(x, y))
    }

    fn bell(self, x: f32, y: f32) -> Option<Colour> {
        let fill = match self.face {
            Face::Offline => [0xa9, 0xa5, 0x9d],
            Face::Paused => [0xc9, 0xc5, 0xbd],
            Face::Ok | Face::Problem if self.unread > 0 => [0xff, 0xb5, 0x3d],
            Face::Ok | Face::Problem => [0xf4, 0xef, 0xe6],
        };
        if in_bell(x, y, -1.0) {
            Some(fill)
        } else if in_bell(x, y, 1.0) {
            Some(OUTLINE)
        } else {
            None
        }
    }

    fn mark(self, x: f32, y: f32) -> Option<Colour> {
        match self.face {
            Face::Ok => None,
            Face::Offline => {
                let distance = from_line(x, y, (7.0, 43.0), (41.0, 5.0));
                if distance < 2.5 { Some(OUTLINE) } else { (distance < 4.5).then_some(WHITE) }
            }
            Face::Paused => {
                let distance = (x - 35.0).hypot(y - 35.0);
                let bars = (29.5..40.5).contains(&y) && ((x - 31.5).abs() < 2.0 || (x - 38.5).abs() < 2.0);
                if distance > 13.0 { None } else { Some(if bars || distance > 11.0 { WHITE } else { PAUSE }) }
            }
            Face::Problem => {
                // Half the triangle's width grows from its tip at (34, 20) to its base at y = 45.
                let half = |grow: f32| (y - 20.0 + 2.0 * grow) * 0.52;
                let inside = |grow: f32| y < 45.0 + grow && half(grow) > 0.0 && (x - 34.0).abs() < half(grow);
                let sign = (x - 34.0).abs() < 2.0 && ((28.0..37.5).contains(&y) || (39.5..43.0).contains(&y));
                let colour = if sign || !inside(-1.2) { DARK } else { WARNING };
                inside(1.2).then_some(colour)
            }
        }
    }

    fn badge(self, x: f32, y: f32) -> Option<Colour> {
        if self.unread == 0 {
            return None;
        }
        let (middle_x, middle_y, radius) = (34.0, 14.0, 13.0);
        let distance = (x - middle_x).hypot(y - middle_y);
        if distance > radius + 1.0 {
            return None;
        }
        if distance > radius - 1.0 {
            return Some(WHITE);
        }
        let many = self.unread > BADGE_MOST;
        let digit = glyph(if many { 9 } else { usize::try_from(self.unread).unwrap_or(9) });
        // One point of the 5 × 7 glyphs is 2.2 units, or 1.7 where two of them stand side by side.
        let unit = if many { 1.7 } else { 2.2 };
        let row = (y - middle_y) / unit + 3.5;
        let on = |glyph: [u8; 7], column: f32| dot(glyph, column, row);
        let ink = if many {
            on(digit, (x - middle_x) / unit + 5.5) || on(glyph(10), (x - middle_x) / unit - 0.5)
        } else {
            on(digit, (x - middle_x) / unit + 2.5)
        };
        Some(if ink { WHITE } else { BADGE })
    }
}

/// Whether the point lies in the bell, grown by `grow` units on every side.
fn in_bell(x: f32, y: f32, grow: f32) -> bool {
    let from_middle = (x - 24.0).abs();
    let knob = from_middle.hypot(y - 6.5) < 3.0 + grow;
    let clapper = y > 40.5 - grow && from_middle.hypot(y - 40.5) < 5.5 + grow;
    let half = if y < 21.5 {
        let rise = ((21.5 - y) / 13.7).min(1.0);
        3.0 + 10.5 * (1.0 - rise * rise).sqrt()
    } else if y < 29.0 {
        13.5
    } else {
        let flare = (y - 29.0) / 6.0;
        13.5 + 3.0 * flare.min(1.0) * flare.min(1.0)
    };
    let body = y > 7.8 - grow && y < 38.5 + grow && from_middle < half + grow;
    knob || clapper || body
}

fn from_line(x: f32, y: f32, a: (f32, f32), b: (f32, f32)) -> f32 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let along = (((x - a.0) * dx + (y - a.1) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
    (x - a.0 - along * dx).hypot(y - a.1 - along * dy)
}

fn dot(glyph: [u8; 7], column: f32, row: f32) -> bool {
    if !(0.0..5.0).contains(&column) || !(0.0..7.0).contains(&row) {
        return false;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "just checked: 0 to 7")]
    let (column, row) = (column as usize, row as usize);
    glyph[row] & (0b1_0000 >> column) != 0
}

/// Digits 1 to 9 (0 is never shown) and, as 10, the plus sign.
fn glyph(index: usize) -> [u8; 7] {
    const GLYPHS: [[u8; 7]; 11] = [
        [0b01110, 0b10001, 0b10001, 0b10001, 0b10001, 0b10001, 0b01110],
        [0b00110, 0b01110, 0b00110, 0b00110, 0b00110, 0b00110, 0b01111],
        [0b01110, 0b11011, 0b00011, 0b00110, 0b01100, 0b11000, 0b11111],
        [0b11110, 0b00011, 0b00011, 0b01110, 0b00011, 0b00011, 0b11110],
        [0b00011, 0b00111, 0b01111, 0b11011, 0b11111, 0b00011, 0b00011],
        [0b11111, 0b11000, 0b11110, 0b00011, 0b00011, 0b11011, 0b01110],
        [0b01110, 0b11000, 0b11110, 0b11011, 0b11011, 0b11011, 0b01110],
        [0b11111, 0b00011, 0b00011, 0b00110, 0b00110, 0b01100, 0b01100],
        [0b01110, 0b11011, 0b11011, 0b01110, 0b11011, 0b11011, 0b01110],
        [0b01110, 0b11011, 0b11011, 0b01111, 0b00011, 0b00011, 0b01110],
        [0b00000, 0b00100, 0b00100, 0b11111, 0b00100, 0b00100, 0b00000],
    ];
    GLYPHS[index.min(10)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every state can be told from every other at the smallest size, and so can the counts.
    #[test]
    fn states_and_counts_look_different() {
        let faces = [Face::Ok, Face::Paused, Face::Offline, Face::Problem];
        let mut seen = Vec::new();
        for face in faces {
            for unread in [0, 1, 2, 3, 9, 10] {
                let pixmap = Icon { face, unread }.pixmap(SIZES[0]);
                assert_eq!(pixmap.argb.len(), 22 * 22 * 4);
                assert!(!seen.contains(&pixmap.argb), "{face:?} {unread} looks like another");
                seen.push(pixmap.argb);
            }
        }
        let many = |unread| Icon { face: Face::Ok, unread }.pixmap(48).argb;
        assert_eq!(many(10), many(4711), "above nine it is 9+");
    }

    #[test]
    fn corners_are_transparent_and_the_middle_is_not() {
        let pixmap = Icon { face: Face::Ok, unread: 0 }.pixmap(48);
        let alpha = |x: usize, y: usize| pixmap.argb[(y * 48 + x) * 4];
        assert_eq!((alpha(0, 0), alpha(47, 47)), (0, 0));
        assert_eq!(alpha(24, 25), 255);
    }
}
