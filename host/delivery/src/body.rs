//! The body of an answer, read within its bounds.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use patchbay_ambient::{HttpError, HttpLimits};

/// A body as it comes in. Both what arrives and what it unpacks to are bounded: a compressed stream may
/// unpack to a thousand times its size, or to nothing at all for ever.
pub(crate) struct BodyReader {
    limits: HttpLimits,
    arrived: usize,
    /// The most bytes that may arrive.
    wire_limit: usize,
    content: Content,
}

enum Content {
    Plain(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

/// Whether to go on reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    More,
    Full,
}

impl BodyReader {
    pub(crate) fn new(headers: &HeaderMap, limits: HttpLimits) -> Self {
        let bounded = Bounded {
            bytes: Vec::new(),
            limit: limits.max_body,
            overflowed: false,
        };
        let (wire_limit, content) = if is_gzip(headers) {
            // Gzip adds little to what it cannot shrink; a stream flushed after every line adds more.
            let wire = limits.max_body.saturating_add(limits.max_body / 8);
            let decoder = Box::new(MultiGzDecoder::new(bounded));
            (wire.saturating_add(64 * 1024), Content::Gzip(decoder))
        } else {
            (usize::MAX, Content::Plain(bounded))
        };
        Self {
            limits,
            arrived: 0,
            wire_limit,
            content,
        }
    }

    /// Whether the body is unpacked on the way, so that its headers no longer describe it.
    pub(crate) fn unpacks(&self) -> bool {
        matches!(self.content, Content::Gzip(_))
    }

    /// Takes the next bytes from the connection.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<Progress, HttpError> {
        self.arrived = self.arrived.saturating_add(chunk.len());
        if self.arrived > self.wire_limit {
            return self.full();
        }
        let written = match &mut self.content {
            Content::Plain(bounded) => bounded.write_all(chunk),
            Content::Gzip(decoder) => decoder.write_all(chunk),
        };
        self.outcome(written)
    }

    fn outcome(&self, written: io::Result<()>) -> Result<Progress, HttpError> {
        let overflowed = match &self.content {
            Content::Plain(bounded) => bounded.overflowed,
            Content::Gzip(decoder) => decoder.get_ref().overflowed,
        };
        match written {
            _ if overflowed => self.full(),
            Ok(()) => Ok(Progress::More),
            // Whoever wants only the beginning takes what could be read.
            Err(_) if self.limits.truncate => Ok(Progress::Full),
            Err(error) => Err(HttpError::Connection(format!(
                "the answer's body is not the gzip it says it is: {error}"
            ))),
        }
    }

    fn full(&self) -> Result<Progress, HttpError> {
        if self.limits.truncate {
            Ok(Progress::Full)
        } else {
            Err(HttpError::TooLarge(self.limits.max_body))
        }
    }

    /// The whole body, after the last byte or after [`Progress::Full`].
    pub(crate) fn finish(mut self, progress: Progress) -> Result<Vec<u8>, HttpError> {
        if progress == Progress::More && self.arrived > 0 {
            // Nothing to check where nothing came: the answer to a HEAD, and a 304, name the encoding
            // of a body that they do not have.
            let finished = match &mut self.content {
                Content::Gzip(decoder) => decoder.try_finish(),
                Content::Plain(_) => Ok(()),
            };
            self.outcome(finished)?;
        }
        Ok(match &mut self.content {
            Content::Plain(bounded) => std::mem::take(&mut bounded.bytes),
            Content::Gzip(decoder) => std::mem::take(&mut decoder.get_mut().bytes),
        })
    }
}

fn is_gzip(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    let first = encodings.next().and_then(|value| value.to_str().ok());
    let gzip = first.is_some_and(|name| {
        let name = name.trim();
        name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip")
    });
    gzip && encodings.next().is_none()
}

/// A buffer that takes no more than its limit.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    overflowed: bool,
}

impl Write for Bounded {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        let room = self.limit - self.bytes.len();
        if room == 0 && !chunk.is_empty() {
            self.overflowed = true;
            return Err(io::Error::other("over the limit"));
        }
        let fits = chunk.len().min(room);
        self.bytes.extend_from_slice(&chunk[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
