//! Points in time as HL7 writes them (v2.5.1, section 2.A.22).

/// Rewrites an RFC 3339 date-time as `YYYYMMDDHHMMSS[.S[S[S[S]]]]+/-ZZZZ`; none if it is not one.
/// Digits beyond the fourth of the fraction are dropped: HL7 has no room for them.
pub fn from_rfc3339(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let (head, tail) = bytes.split_at_checked(shape.len())?;
    let fits = head.iter().zip(shape).all(|(byte, shape)| match shape {
        b'd' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't' | b' '),
        other => byte == other,
    });
    if !fits {
        return None;
    }
    // All of it is ASCII from here on: the head by its shape, the tail by the matches below.
    let mut out: String = digits(head).collect();

    let mut zone = tail;
    if let Some(rest) = tail.strip_prefix(b".") {
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return None;
        }
        out.push('.');
        out.extend(digits(&rest[..length.min(4)]));
        zone = &rest[length..];
    }
    match zone {
        [b'Z' | b'z'] => out.push_str("+0000"),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2]
            if [h1, h2, m1, m2].iter().all(|byte| byte.is_ascii_digit()) =>
        {
            out.push(char::from(*sign));
            out.extend([h1, h2, m1, m2].map(|byte| char::from(*byte)));
        }
        _ => return None,
    }
    Some(out)
}

fn digits(bytes: &[u8]) -> impl Iterator<Item = char> {
    bytes
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .map(|byte| char::from(*byte))
}
