//! Files that COPY cannot load, of which nothing positive is known: they rest, and all others are loaded.

use sluice_standin::faults::{Fault, Rule};
use sluice_standin::redshift::Trouble;
use test_case::test_case;

use crate::scene::{AT_ONCE, CULPRIT, FILES, LATER, SOON, Shape, Stage, World, name, spoil, unspoil};

/// S3 refuses the role of COPY, and the text names the object.
const DENIED: &str = "S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 0,ExtRid 0,CanRetry 1\n  \
                      Detail: S3 key being read : s3://landing/incoming/numbers/005.csv";
/// The same without the object.
const DENIED_SOMEWHERE: &str =
    "S3ServiceException:Access Denied,Status 403,Error AccessDenied,Rid 0,ExtRid 0,CanRetry 1";
/// The object is encrypted with a key that the role may not use.
const KEY_DENIED: &str = "S3ServiceException:User: arn:aws:sts::000000000000:assumed-role/copy/RedshiftIamRoleSession is \
                          not authorized to perform: kms:Decrypt on the resource associated with this ciphertext,Status \
                          403,Error AccessDenied,Rid 0,ExtRid 0,CanRetry 1";
/// The object is in Glacier.
const ARCHIVED: &str = "S3ServiceException:The operation is not valid for the object's storage class,Status 403,Error \
                        InvalidObjectState,Rid 0,ExtRid 0,CanRetry 1\n  Detail: S3 key being read : \
                        s3://landing/incoming/numbers/005.csv";
const TIMED_OUT: &str = "Query (7) cancelled on user's request";
/// S3 says of an object that is there that it is not.
const GONE: &str = "S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey,Rid 0,ExtRid 0,CanRetry \
                    1\n  Detail: S3 key being read : s3://landing/incoming/numbers/005.csv";
const BROKEN: &str = "S3ServiceException:We encountered an internal error. Please try again.,Status 500,Error \
                      InternalError,Rid 0,ExtRid 0,CanRetry 1";
const DEADLOCK: &str = "deadlock detected";
const LOST: &str = "connection to the warehouse lost: closed";
const UNKNOWN: &str = "an error of a new kind";

#[test_case(Shape::Slots, DENIED; "denied and named")]
#[test_case(Shape::Slots, TIMED_OUT; "always timed out")]
#[test_case(Shape::OneSlot, DENIED_SOMEWHERE; "denied and not named with one slot")]
#[test_case(Shape::Inline, UNKNOWN; "unknown where the lister loads")]
#[test_case(Shape::Event, DENIED; "denied and named where events load")]
#[tokio::test]
async fn a_file_that_copy_never_loads_rests(shape: Shape, error: &str) {
    rests(shape, &[CULPRIT], error, false).await;
}

#[tokio::test]
async fn some_files_that_copy_never_loads_rest() {
    rests(Shape::OneSlot, &SOME, DENIED_SOMEWHERE, false).await;
}

/// Neighbours, and one that is far from them.
const SOME: [i64; 3] = [CULPRIT, CULPRIT + 1, CULPRIT + 20];

mod campaign {
    use test_case::test_case;

    use super::*;

    #[test_case(Shape::Slots, DENIED_SOMEWHERE; "denied and not named")]
    #[test_case(Shape::Slots, ARCHIVED; "in glacier and named")]
    #[test_case(Shape::Slots, GONE; "said to be gone")]
    #[test_case(Shape::OneSlot, DENIED; "denied and named with one slot")]
    #[test_case(Shape::OneSlot, KEY_DENIED; "a key denied and not named with one slot")]
    #[test_case(Shape::OneSlot, TIMED_OUT; "always timed out with one slot")]
    #[test_case(Shape::OneSlot, GONE; "said to be gone with one slot")]
    #[test_case(Shape::OneSlot, BROKEN; "broken with one slot")]
    #[test_case(Shape::OneSlot, DEADLOCK; "always in a deadlock with one slot")]
    #[test_case(Shape::OneSlot, LOST; "always disconnected with one slot")]
    #[test_case(Shape::OneSlot, UNKNOWN; "unknown with one slot")]
    #[test_case(Shape::Inline, DENIED_SOMEWHERE; "denied and not named where the lister loads")]
    #[test_case(Shape::Inline, TIMED_OUT; "always timed out where the lister loads")]
    #[test_case(Shape::Event, TIMED_OUT; "always timed out where events load")]
    #[tokio::test]
    async fn a_file_that_copy_never_loads_rests_whatever_is_said(shape: Shape, error: &str) {
        rests(shape, &[CULPRIT], error, false).await;
    }

    /// Where KMS encrypts, no `ETag` is a hash, and a copy has another one than its source.
    #[test_case(Shape::Slots; "with slots")]
    #[test_case(Shape::OneSlot; "with one slot")]
    #[tokio::test]
    async fn a_file_that_copy_never_loads_rests_where_etags_are_no_hashes(shape: Shape) {
        rests(shape, &[CULPRIT], KEY_DENIED, true).await;
    }

    #[test_case(Shape::Slots, DENIED; "denied and one of them named")]
    #[test_case(Shape::Slots, DENIED_SOMEWHERE; "denied and not named")]
    #[test_case(Shape::OneSlot, TIMED_OUT; "always timed out with one slot")]
    #[test_case(Shape::Inline, UNKNOWN; "unknown where the lister loads")]
    #[tokio::test]
    async fn some_files_that_copy_never_loads_rest_whatever_is_said(shape: Shape, error: &str) {
        rests(shape, &SOME, error, false).await;
    }
}

async fn rests(shape: Shape, culprits: &[i64], error: &str, hashes_hidden: bool) {
    let world = World::start(shape).await;
    if hashes_hidden {
        world.site.encrypt();
    }
    spoil(&world, culprits, error);
    world.drop_numbers(0..FILES);
    world.only_rest(culprits, Stage::Load, |world| unspoil(world, culprits)).await;
    world.stop().await;
}

/// The statement runs until its timeout, every time. For a second: the feed's own is four hours.
#[test_case("max_files = 16\nfiles_per_load = 4"; "with slots")]
#[test_case("max_files = 8\nfiles_per_load = 8"; "with one slot")]
#[tokio::test]
async fn a_file_on_which_copy_hangs_rests(settings: &str) {
    let world = World::with(settings, "statement_timeout = \"1s\"\n", |_| ()).await;
    world.redshift().spoil(name(CULPRIT), Trouble::Hangs);
    world.drop_numbers(0..FILES);
    world.only_rest(&[CULPRIT], Stage::Load, |world| world.redshift().unspoil(&name(CULPRIT))).await;
    world.stop().await;
}

/// COPY says that it is gone, and the function may not look.
#[tokio::test]
async fn a_file_that_is_said_to_be_gone_and_cannot_be_looked_at_rests() {
    let world = World::start(Shape::OneSlot).await;
    spoil(&world, &[CULPRIT], GONE);
    let denied = Rule::new(Fault::Answer(403, "AccessDenied", "Access Denied")).operation("HeadObject");
    let denied = world.site.standin.faults().add(denied.subject("incoming/".to_owned() + &name(CULPRIT)));
    world.drop_numbers(0..FILES);
    let heal = |world: &World| {
        world.site.standin.faults().remove(denied);
        unspoil(world, &[CULPRIT]);
    };
    world.only_rest(&[CULPRIT], Stage::Load, heal).await;
    world.stop().await;
}

/// What a producer does to a file that rests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Replaces,
    Deletes,
}

#[test_case(Then::Replaces; "is replaced")]
#[test_case(Then::Deletes; "is deleted")]
#[tokio::test]
async fn a_file_that_rests_and(then: Then) {
    let world = World::start(Shape::OneSlot).await;
    spoil(&world, &[CULPRIT], DENIED);
    world.drop_numbers(0..FILES);
    world.within(SOON, "it rests", async |world| world.resting().len() == 1 && world.waiting().len() == 1).await;
    unspoil(&world, &[CULPRIT]);
    let end = match then {
        // The new version is a new file, and the old one is no more.
        Then::Replaces => {
            world.drop_number(CULPRIT, "1000,new\n");
            1000
        }
        Then::Deletes => {
            world
                .site
                .standin
                .storage()
                .remove(sluice_tests::BUCKET, &("incoming/".to_owned() + &name(CULPRIT)))
                .unwrap();
            1001
        }
    };
    let rows: Vec<i64> = (0..FILES).filter(|number| *number != CULPRIT).chain(end..1001).collect();
    world.within(AT_ONCE, "nothing waits", async |world| world.is(&rows, &[]).await).await;
    world.within(AT_ONCE, "nothing rests", async |world| world.site.keys("sluice/claims/numbers/").is_empty()).await;
    world.drop_numbers(FILES..FILES + LATER);
    world.within(AT_ONCE, "later files get through", async |world| world.waiting().is_empty()).await;
    world.stop().await;
}
