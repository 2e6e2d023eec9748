//! `cargo xtask icons`: rasterises `icons/tocsin.svg`.
//!
//! The results are committed, so that building needs no tools of librsvg. `.ico` and `.icns` are containers of PNGs and
//! written here. The tray's icon is no file: the resident draws it, with the count on it.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::repo;

/// Sizes of the application icon: file name and pixels.
const APPLICATION: &[(&str, u32)] = &[
    ("16x16.png", 16),
    ("32x32.png", 32),
    ("48x48.png", 48),
    ("64x64.png", 64),
    ("128x128.png", 128),
    ("128x128@2x.png", 256),
    ("icon.png", 512),
];
/// Type codes of `.icns` entries that hold a PNG, with their pixels.
const ICNS: &[(&[u8; 4], u32)] =
    &[(b"icp4", 16), (b"icp5", 32), (b"icp6", 64), (b"ic07", 128), (b"ic08", 256), (b"ic09", 512)];
/// Sizes within `.ico`.
const ICO: &[u32] = &[16, 32, 48, 256];

/// The verb.
pub fn icons() -> Result<()> {
    let directory = repo::root().join("icons");
    let source = directory.join("tocsin.svg");
    for (name, pixels) in APPLICATION {
        fs::write(directory.join(name), png(&source, *pixels)?)?;
    }
    let entries =
        |sizes: &[u32]| sizes.iter().map(|pixels| png(&source, *pixels)).collect::<Result<Vec<_>>>();
    fs::write(directory.join("icon.ico"), ico(ICO, &entries(ICO)?))?;
    let sizes: Vec<u32> = ICNS.iter().map(|(_, pixels)| *pixels).collect();
    fs::write(directory.join("icon.icns"), icns(&entries(&sizes)?))?;
    println!("icons/ is up to date");
    Ok(())
}

fn png(source: &Path, pixels: u32) -> Result<Vec<u8>> {
    let size = pixels.to_string();
    let output = Command::new("rsvg-convert")
        .args(["-w", &size, "-h", &size])
        .arg(source)
        .output()
        .context("cannot start rsvg-convert: apt-get install librsvg2-bin")?;
    anyhow::ensure!(
        output.status.success(),
        "{}: {}",
        source.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

fn ico(sizes: &[u32], images: &[Vec<u8>]) -> Vec<u8> {
    let count = u16::try_from(images.len()).unwrap_or_default();
    let mut file = vec![0, 0, 1, 0];
    file.extend(count.to_le_bytes());
    let mut offset = 6 + 16 * u32::from(count);
    for (size, image) in sizes.iter().zip(images) {
        // 256 is written as 0.
        let side = u8::try_from(*size).unwrap_or(0);
        let length = u32::try_from(image.len()).unwrap_or_default();
        file.extend([side, side, 0, 0, 1, 0, 32, 0]);
        file.extend(length.to_le_bytes());
        file.extend(offset.to_le_bytes());
        offset += length;
    }
    file.extend(images.concat());
    file
}

fn icns(images: &[Vec<u8>]) -> Vec<u8> {
    let mut body = Vec::new();
    for ((code, _), image) in ICNS.iter().zip(images) {
        body.extend(*code);
        body.extend((u32::try_from(image.len()).unwrap_or_default() + 8).to_be_bytes());
        body.extend(image);
    }
    let mut file = b"icns".to_vec();
    file.extend((u32::try_from(body.len()).unwrap_or_default() + 8).to_be_bytes());
    file.extend(body);
    file
}
