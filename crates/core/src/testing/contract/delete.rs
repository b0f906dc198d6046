//! Deletes: only the version named, one by one and many at a time.

use super::{Broken, Check, Space, equal};
use crate::object::{ETag, Key};
use crate::ports::{Delete, Deleted, MAX_DELETES, Objects, PutIf};

pub(super) async fn deletes<O: Objects>(space: &Space<'_, O>) -> Check {
    let file = space.write("a", b"a").await?;
    equal("the delete", &space.objects.delete(&file.key, &file.etag).await?, &Delete::Deleted)?;
    space.lacks("a").await
}

pub(super) async fn a_replaced_object_stays<O: Objects>(space: &Space<'_, O>) -> Check {
    let old = space.write("a", b"old").await?;
    space.write("a", b"new").await?;
    equal("the delete", &space.objects.delete(&old.key, &old.etag).await?, &Delete::Replaced)?;
    space.has("a", b"new").await
}

pub(super) async fn a_missing_object_is_deleted<O: Objects>(space: &Space<'_, O>) -> Check {
    let gone = space.key("gone")?;
    let etag = ETag::new("d41d8cd98f00b204e9800998ecf8427e");
    equal("the delete", &space.objects.delete(&gone, &etag).await?, &Delete::Deleted)
}

pub(super) async fn many_in_the_order_asked<O: Objects>(space: &Space<'_, O>) -> Check {
    let mut doomed = Vec::new();
    for name in ["d", "a & b", "c", "<é>", "e"] {
        let file = space.write(name, name.as_bytes()).await?;
        doomed.push((file.key, file.etag));
    }
    space.write("c", b"new").await?;
    space.write("e", b"new").await?;
    doomed.insert(1, (space.key("never there")?, ETag::new("d41d8cd98f00b204e9800998ecf8427e")));
    let deleted = all(space.objects.delete_many(&doomed).await?)?;
    let (gone, kept) = (Delete::Deleted, Delete::Replaced);
    equal("the answer", &deleted, &vec![gone, gone, gone, kept, gone, kept])?;
    equal("what is left", &space.names().await?, &vec!["c".to_owned(), "e".to_owned()])
}

pub(super) async fn a_thousand<O: Objects>(space: &Space<'_, O>) -> Check {
    let keys: Vec<Key> = (0..MAX_DELETES).map(|number| space.key(&number.to_string())).collect::<Result<_, _>>()?;
    // Most of them do not exist, and those are deleted with any ETag.
    let mut doomed: Vec<_> = keys.into_iter().map(|key| (key, ETag::new("0"))).collect();
    for (key, etag) in doomed.iter_mut().step_by(100) {
        *etag = super::written(space.objects.put(key, b"x".to_vec(), PutIf::Any).await?)?;
    }
    let deleted = all(space.objects.delete_many(&doomed).await?)?;
    equal("how many answers", &deleted.len(), &MAX_DELETES)?;
    equal("whether all are deleted", &deleted.iter().all(|delete| *delete == Delete::Deleted), &true)?;
    equal("what is left", &space.names().await?, &vec![])
}

pub(super) async fn none_at_all<O: Objects>(space: &Space<'_, O>) -> Check {
    equal("the answer", &all(space.objects.delete_many(&[]).await?)?, &vec![])
}

/// How each ended, where none failed.
pub(super) fn all(deleted: Vec<Deleted>) -> Result<Vec<Delete>, Broken> {
    Ok(deleted.into_iter().collect::<Result<_, _>>()?)
}
