//! The one part named `media` of a `multipart/form-data` body: only its file name and size matter here.

/// The part.
pub(super) struct Media {
    pub(super) filename: String,
    pub(super) bytes: usize,
}

pub(super) fn media(content_type: &str, body: &[u8]) -> Option<Media> {
    let boundary =
        content_type.split(';').find_map(|part| part.trim().strip_prefix("boundary="))?.trim_matches('"');
    let delimiter = format!("--{boundary}");
    let mut rest = &body[find(body, delimiter.as_bytes())? + delimiter.len()..];
    while let Some(end) = find(rest, delimiter.as_bytes()) {
        let part = &rest[..end];
        if let Some(split) = find(part, b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&part[..split]);
            let content = part[split + 4..].strip_suffix(b"\r\n").unwrap_or(&part[split + 4..]);
            if head.contains("name=\"media\"") || head.contains("name=media") {
                let filename = head.split("filename=\"").nth(1)?.split('"').next()?;
                return Some(Media { filename: filename.to_owned(), bytes: content.len() });
            }
        }
        rest = &rest[end + delimiter.len()..];
    }
    None
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_part_is_found_among_others() {
        let body = b"--b1\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--b1\r\nContent-Disposition: form-data; \
            name=\"media\"; filename=\"log.txt\"\r\nContent-Type: text/plain\r\n\r\nhello world\r\n--b1--\r\n";
        let media = media("multipart/form-data; boundary=b1", body).unwrap();
        assert_eq!((media.filename.as_str(), media.bytes), ("log.txt", 11));
        assert!(super::media("application/json", body).is_none());
    }
}
