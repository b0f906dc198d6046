//! Files that a producer uploads, in whichever way: in parts, under a key of KMS.
//!
//! Only the `ETag` says which version a file is. Producer and S3 decide how it is made: the same bytes may have another
//! one at every upload, and a copy may have another one than its source.

use super::{Broken, Check, Space, bytes, equal, written};
use crate::object::{ETag, File, Key};
use crate::ports::{Copy, Delete, Objects, PortError, Put, PutIf};

/// Who uploads files, beside the port.
pub trait Producer {
    /// Uploads the object, and overwrites.
    fn upload(&self, key: &Key, body: Vec<u8>) -> impl Future<Output = Result<(), PortError>>;
}

/// More than the least that a part may have. Source: Amazon S3 User Guide, "Amazon S3 multipart upload limits".
const SIZE: usize = 5 * 1024 * 1024 + 3;

/// Where a check works, and who uploads there.
pub(super) struct Uploads<'o, O, P> {
    pub(super) space: Space<'o, O>,
    pub(super) producer: &'o P,
}

impl<O: Objects, P: Producer> Uploads<'_, O, P> {
    /// Uploads a file and says what a listing would.
    async fn upload(&self, name: &str, body: &[u8]) -> Result<File, Broken> {
        let key = self.space.key(name)?;
        self.producer.upload(&key, body.to_vec()).await?;
        let file = self.space.objects.head(&key).await?;
        file.ok_or_else(|| Broken::Promise(format!("{key} was uploaded and is not there")))
    }

    /// Uploads the same bytes twice; both versions, where they are two.
    async fn upload_twice(&self, name: &str) -> Result<Option<(File, File)>, Broken> {
        let first = self.upload(name, b"the same").await?;
        let second = self.upload(name, b"the same").await?;
        Ok((first.etag != second.etag).then_some((first, second)))
    }
}

pub(super) async fn have_one_etag_everywhere<O: Objects, P: Producer>(uploads: &Uploads<'_, O, P>) -> Check {
    let file = uploads.upload("a.csv", b"1,2,3").await?;
    let listed: Vec<_> = uploads.space.list().await?.into_iter().map(|file| (file.etag, file.size)).collect();
    equal("the listing", &listed, &vec![(file.etag.clone(), 5)])?;
    let content = uploads.space.objects.get(&file.key).await?.map(|content| content.etag);
    equal("the ETag that comes with the content", &content, &Some(file.etag))
}

pub(super) async fn are_read_whole_and_by_part<O: Objects, P: Producer>(uploads: &Uploads<'_, O, P>) -> Check {
    let (body, objects) = (body(), uploads.space.objects);
    let file = uploads.upload("large.csv", &body).await?;
    uploads.space.has("large.csv", &body).await?;
    let end = bytes(objects, &file, (SIZE - 4) as u64, 100).await?;
    equal("the end", &end.as_deref(), &Some(&body[SIZE - 4..]))
}

/// A read reports that an `ETag` is a hash only where the same bytes have the same one after any upload.
pub(super) async fn say_whether_their_etag_is_a_hash<O: Objects, P: Producer>(uploads: &Uploads<'_, O, P>) -> Check {
    let plain = uploads.space.write("plain.csv", b"the same").await?;
    for time in ["the first time", "the second time"] {
        let file = uploads.upload("a.csv", b"the same").await?;
        let part = uploads.space.objects.read(&file, 0, 1).await?;
        let hashed = part.ok_or_else(|| Broken::Promise(format!("{} cannot be read", file.key)))?.hashed;
        equal(&format!("whether it is a hash {time}"), &hashed, &(file.etag == plain.etag))?;
    }
    Ok(())
}

/// Nothing may be done to the first version any more, where the second is another one.
pub(super) async fn of_the_same_bytes_may_be_two_versions<O: Objects, P: Producer>(
    uploads: &Uploads<'_, O, P>,
) -> Check {
    let Some((first, second)) = uploads.upload_twice("a.csv").await? else {
        return Ok(());
    };
    let (space, objects) = (&uploads.space, uploads.space.objects);
    equal("a read of the first", &bytes(objects, &first, 0, 3).await?, &None)?;
    let copy = objects.copy(&first, &space.key("copy.csv")?).await?;
    equal("a copy of the first", &copy, &Copy::Replaced(second.etag.clone()))?;
    let put = objects.put(&first.key, b"mine".to_vec(), PutIf::Matches(&first.etag)).await?;
    equal("a put over the first", &put, &Put::Refused)?;
    equal("a delete of the first", &objects.delete(&first.key, &first.etag).await?, &Delete::Replaced)?;
    let many = objects.delete_many(&[(first.key.clone(), first.etag)]).await?;
    equal("a delete of the first among many", &super::delete::all(many)?, &vec![Delete::Replaced])?;
    equal("the second", &objects.head(&second.key).await?.map(|file| file.etag), &Some(second.etag))
}

pub(super) async fn are_copied_with_their_content<O: Objects, P: Producer>(uploads: &Uploads<'_, O, P>) -> Check {
    let (body, space, objects) = (body(), &uploads.space, uploads.space.objects);
    let from = uploads.upload("incoming/large.csv", &body).await?;
    let to = space.key("processed/large.csv")?;
    equal("the copy", &objects.copy(&from, &to).await?, &Copy::Copied)?;
    space.has("processed/large.csv", &body).await?;
    let there = objects.head(&to).await?;
    let again = objects.copy(&from, &to).await?;
    equal("the copy again", &Some(again), &there.map(Copy::Occupied))?;
    equal("the source", &objects.head(&from.key).await?, &Some(from))
}

/// A copy is a version of its own: its source's `ETag` says nothing about it, unless it is the same.
pub(super) async fn are_moved_by_the_etags_of_each_place<O: Objects, P: Producer>(
    uploads: &Uploads<'_, O, P>,
) -> Check {
    let (space, objects) = (&uploads.space, uploads.space.objects);
    let from = uploads.upload("incoming/a.csv", b"1,2,3").await?;
    let to = space.key("processed/a.csv")?;
    objects.copy(&from, &to).await?;
    equal("the delete of the source", &objects.delete(&from.key, &from.etag).await?, &Delete::Deleted)?;
    let copy = objects.head(&to).await?.ok_or_else(|| Broken::Promise("there is no copy".to_owned()))?;
    if copy.etag != from.etag {
        equal("a delete by the source's ETag", &objects.delete(&to, &from.etag).await?, &Delete::Replaced)?;
    }
    equal("a read of the copy", &bytes(objects, &copy, 2, 1).await?, &Some(b"2".to_vec()))?;
    equal("a delete by its own ETag", &objects.delete(&to, &copy.etag).await?, &Delete::Deleted)?;
    equal("what is left", &space.names().await?, &vec![])
}

pub(super) async fn are_overwritten_by_their_etag<O: Objects, P: Producer>(uploads: &Uploads<'_, O, P>) -> Check {
    let objects = uploads.space.objects;
    let file = uploads.upload("a.csv", b"theirs").await?;
    for (when, what) in [(PutIf::Absent, "a put on nothing"), (PutIf::Matches(&ETag::new("0")), "a put on another")] {
        equal(what, &objects.put(&file.key, b"mine".to_vec(), when).await?, &Put::Refused)?;
    }
    written(objects.put(&file.key, b"mine".to_vec(), PutIf::Matches(&file.etag)).await?)?;
    uploads.space.has("a.csv", b"mine").await
}

pub(super) async fn are_deleted_together<O: Objects, P: Producer>(uploads: &Uploads<'_, O, P>) -> Check {
    let mut doomed = Vec::new();
    for name in ["a", "b", "c"] {
        let file = uploads.upload(name, name.as_bytes()).await?;
        doomed.push((file.key, file.etag));
    }
    uploads.upload("b", b"another").await?;
    let file = uploads.space.write("d", b"d").await?;
    doomed.push((file.key, file.etag));
    let deleted = super::delete::all(uploads.space.objects.delete_many(&doomed).await?)?;
    let (gone, kept) = (Delete::Deleted, Delete::Replaced);
    equal("the answer", &deleted, &vec![gone, kept, gone, gone])?;
    equal("what is left", &uploads.space.names().await?, &vec!["b".to_owned()])
}

fn body() -> Vec<u8> {
    (0..=250).cycle().take(SIZE).collect()
}
