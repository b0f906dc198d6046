//! Producers that upload otherwise than Sluice does: in parts, under a key of KMS, both.

use sluice_aws::{Copies, S3Objects};
use sluice_core::object::Key;
use sluice_core::ports::{Copy, Objects, PortError, PutIf};
use sluice_core::testing::contract::Producer;
use sluice_core::testing::key;
use sluice_standin::s3::{Encryption, Extras, Put, Storage};

use crate::BUCKET;

/// The least that S3 takes.
const PART: usize = 5 << 20;

/// Uploads in parts over the wire: by a copy that is set to copy everything in parts, so that any S3 can be asked. What
/// replaces a file is uploaded in one piece, as by another tool: the same bytes have another `ETag` then.
pub(crate) struct InParts(S3Objects);

impl InParts {
    pub(crate) fn to(bucket: &S3Objects) -> Self {
        Self(bucket.clone().with_copies(Copies { single_at_most: 0, part: PART as u64, parts_at_once: 2 }))
    }
}

impl Producer for InParts {
    async fn upload(&self, to: &Key, body: Vec<u8>) -> Result<(), PortError> {
        if self.0.head(to).await?.is_some() {
            return self.0.put(to, body, PutIf::Any).await.map(drop);
        }
        let source = key("source of an upload in parts");
        self.0.put(&source, body, PutIf::Any).await?;
        let source = self.0.head(&source).await?.expect("it was put");
        assert_eq!(self.0.copy(&source, to).await?, Copy::Copied);
        let etag = self.0.head(to).await?.expect("it was copied").etag;
        assert!(etag.as_str().contains('-'), "{etag} is no ETag of an upload in parts");
        Ok(())
    }
}

/// Uploads under a key of KMS, whatever the bucket's default is; in parts or in one piece.
pub(crate) struct Encrypted {
    pub(crate) storage: Storage,
    pub(crate) in_parts: bool,
}

impl Producer for Encrypted {
    async fn upload(&self, to: &Key, body: Vec<u8>) -> Result<(), PortError> {
        let extras = Extras { encryption: Some(Encryption::kms()), ..Extras::default() };
        let put = Put { extras, ..Put::default() };
        if self.in_parts {
            let parts = body.chunks(PART).map(<[u8]>::to_vec);
            self.storage.put_in_parts(BUCKET, to.as_str(), parts, put).unwrap();
        } else {
            self.storage.put_with(BUCKET, to.as_str(), body, put).unwrap();
        }
        Ok(())
    }
}
