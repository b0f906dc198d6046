//! Full batches of one kind come at every tick: the oldest file of another kind is loaded all the same.

use std::io::Write as _;

use flate2::write::GzEncoder;
use sluice_standin::s3::Put;
use sluice_tests::BUCKET;
use test_case::test_case;

use crate::scene::World;

/// More than any batch has room for, at every tick.
const WAVE: i64 = 16;
const PACKED: i64 = 5000;

#[test_case("max_files = 8\nfiles_per_load = 2"; "with slots")]
#[test_case("max_files = 4\nfiles_per_load = 4"; "with one slot")]
#[tokio::test]
async fn the_oldest_file_is_loaded_though_full_batches_of_another_kind_keep_coming(settings: &str) {
    // Two files of a wave do not fit into one batch, so that each is a full one.
    let world = World::with(&format!("{settings}\nmax_bytes_per_load = 10"), "", |_| ()).await;
    let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(format!("{PACKED},x\n").as_bytes()).unwrap();
    let old = Put { last_modified: Some("2026-01-01T00:00:00Z".parse().unwrap()), ..Put::default() };
    let key = "incoming/numbers/oldest.csv.gz";
    world.site.standin.storage().put_with(BUCKET, key, packed.finish().unwrap(), old).unwrap();
    let mut loaded = false;
    for tick in 0..4 {
        for number in tick * WAVE..(tick + 1) * WAVE {
            world.drop_number(number, &format!("{number:05},xx\n"));
        }
        world.tick().await;
        loaded = loaded || world.site.ids("numbers").await.contains(&PACKED);
    }
    assert!(loaded, "the oldest file of all still waits; {}", world.story());
    let all: Vec<i64> = (0..4 * WAVE).chain([PACKED]).collect();
    world.within(70, "everything gets through", async |world| world.is(&all, &[]).await).await;
    world.stop().await;
}
