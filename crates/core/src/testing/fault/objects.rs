//! A bucket with faults.

use super::Faulty;
use crate::object::{ETag, File, Key, Prefix};
use crate::ports::{Content, Copy, Delete, Deleted, Objects, Page, PortError, Put, PutIf};

impl<T: Objects> Objects for Faulty<T> {
    async fn list(&self, prefix: &Prefix, after: Option<&str>) -> Result<Page, PortError> {
        self.call("list", prefix, self.inner.list(prefix, after)).await
    }

    async fn list_after(&self, prefix: &Prefix, key: &str) -> Result<Page, PortError> {
        self.call("list_after", key, self.inner.list_after(prefix, key)).await
    }

    async fn get(&self, key: &Key) -> Result<Option<Content>, PortError> {
        self.call("get", key, self.inner.get(key)).await
    }

    async fn head(&self, key: &Key) -> Result<Option<File>, PortError> {
        self.call("head", key, self.inner.head(key)).await
    }

    async fn put(&self, key: &Key, body: Vec<u8>, when: PutIf<'_>) -> Result<Put, PortError> {
        self.call("put", key, self.inner.put(key, body, when)).await
    }

    async fn copy(&self, from: &File, to: &Key) -> Result<Copy, PortError> {
        self.call("copy", &from.key, self.inner.copy(from, to)).await
    }

    async fn delete(&self, key: &Key, etag: &ETag) -> Result<Delete, PortError> {
        self.call("delete", key, self.inner.delete(key, etag)).await
    }

    async fn delete_many(&self, objects: &[(Key, ETag)]) -> Result<Vec<Deleted>, PortError> {
        let subject = format!("{} objects", objects.len());
        self.call("delete_many", subject, self.inner.delete_many(objects)).await
    }
}
