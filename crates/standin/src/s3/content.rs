//! The content of an object: pieces in memory, pieces in files, or holes of zeros.
//!
//! Slices and joins share the pieces, so copies and multipart uploads move no bytes. Never reads a file.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// One piece of a content.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// Bytes in memory.
    Memory(Bytes),
    /// Part of a body file.
    File {
        /// The file's number.
        id: u64,
        /// Its offset in the file.
        offset: u64,
        /// Its length.
        len: u64,
    },
    /// Zeros that take no space.
    Hole(u64),
}

/// A piece in the index of a folder. Pieces in memory are never written there.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum StoredPiece {
    File { id: u64, offset: u64, len: u64 },
    Hole { len: u64 },
}

/// An object's content: almost always one piece.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    One(Piece),
    Many(Arc<[Piece]>),
}

impl Piece {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { len, .. } | Self::Hole(len) => *len,
        }
    }

    /// The bytes `range` of this piece, which must lie within it.
    fn slice(&self, range: Range<u64>) -> Self {
        let len = range.end - range.start;
        match self {
            Self::Memory(bytes) => Self::Memory(bytes.slice(to_usize(range.start)..to_usize(range.end))),
            Self::File { id, offset, .. } => Self::File { id: *id, offset: offset + range.start, len },
            Self::Hole(_) => Self::Hole(len),
        }
    }
}

impl Content {
    /// Concatenates pieces.
    pub(crate) fn join(pieces: Vec<Piece>) -> Self {
        match <[Piece; 1]>::try_from(pieces) {
            Ok([piece]) => Self::One(piece),
            Err(pieces) => Self::Many(pieces.into()),
        }
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        match self {
            Self::One(piece) => std::slice::from_ref(piece),
            Self::Many(pieces) => pieces,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.pieces().iter().map(Piece::len).sum()
    }

    /// The bytes `range`, sharing the pieces.
    pub(crate) fn slice(&self, range: Range<u64>) -> Self {
        let mut start = 0;
        let mut taken = Vec::new();
        for piece in self.pieces() {
            let end = start + piece.len();
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                taken.push(piece.slice(from - start..to - start));
            }
            start = end;
        }
        Self::join(taken)
    }

    /// The numbers of the files that hold the content.
    pub(crate) fn files(&self) -> impl Iterator<Item = u64> {
        self.pieces().iter().filter_map(|piece| match piece {
            Piece::File { id, .. } => Some(*id),
            Piece::Memory(_) | Piece::Hole(_) => None,
        })
    }

    /// Whether some of the content is a hole. Holes may be too large to compute an MD5.
    pub(crate) fn has_hole(&self) -> bool {
        self.pieces().iter().any(|piece| matches!(piece, Piece::Hole(_)))
    }

    /// The content in the form of a folder's index.
    pub(crate) fn stored(&self) -> Vec<StoredPiece> {
        self.pieces()
            .iter()
            .filter_map(|piece| match *piece {
                Piece::File { id, offset, len } => Some(StoredPiece::File { id, offset, len }),
                Piece::Hole(len) => Some(StoredPiece::Hole { len }),
                Piece::Memory(_) => None,
            })
            .collect()
    }
}

impl From<Vec<StoredPiece>> for Content {
    fn from(pieces: Vec<StoredPiece>) -> Self {
        Self::join(
            pieces
                .into_iter()
                .map(|piece| match piece {
                    StoredPiece::File { id, offset, len } => Piece::File { id, offset, len },
                    StoredPiece::Hole { len } => Piece::Hole(len),
                })
                .collect(),
        )
    }
}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self::One(Piece::Memory(bytes))
    }
}

/// A length in memory. Anything in memory fits the address space.
pub(crate) fn to_usize(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(content: &Content) -> Vec<u8> {
        let mut all = Vec::new();
        for piece in content.pieces() {
            match piece {
                Piece::Memory(bytes) => all.extend_from_slice(bytes),
                Piece::Hole(len) => all.resize(all.len() + to_usize(*len), b'0'),
                Piece::File { id, offset, len } => {
                    all.extend(format!("<{id}:{offset}+{len}>").into_bytes());
                }
            }
        }
        all
    }

    #[test]
    fn every_slice_of_joined_pieces_is_the_slice_of_the_whole() {
        let joined = Content::join(vec![
            Piece::Memory(Bytes::from_static(b"abc")),
            Piece::Hole(2),
            Piece::Memory(Bytes::from_static(b"defg")),
        ]);
        let whole = b"abc00defg";
        for start in 0..=whole.len() {
            for end in start..=whole.len() {
                let slice = joined.slice(start as u64..end as u64);
                assert_eq!(bytes(&slice), &whole[start..end], "{start}..{end}");
            }
        }
    }

    #[test]
    fn a_slice_of_a_file_moves_its_offset() {
        let content = Content::One(Piece::File { id: 7, offset: 10, len: 20 });
        assert_eq!(bytes(&content.slice(5..8)), b"<7:15+3>");
    }
}
