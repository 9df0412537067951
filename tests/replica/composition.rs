//! How many chunks a replica is made of.

use gridmate_runtime::limits;
use gridmate_runtime::prelude::*;
use gridmate_runtime::replica::AddError;
use gridmate_tests::mesh::{Mesh, Weather};

/// Chunk types, and what is to be done with each of them.
macro_rules! chunk_types {
    ($($name:ident),*) => {
        $(
            #[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
            struct $name {
                value: u16,
            }
        )*

        fn registry() -> Registry {
            Registry::builder()$(.chunk::<$name>())*.build().unwrap()
        }

        /// Adds a replica of the first `count` of them, each with its place as its value.
        fn add(manager: &mut ReplicaManager, count: u16) -> Result<ReplicaId, AddError> {
            let mut builder = manager.spawn();
            let mut place = 0;
            $(
                if place < count {
                    builder = builder.with($name { value: place + 1 });
                }
                place += 1;
            )*
            assert_eq!(place, 65);
            builder.add()
        }

        fn values(manager: &ReplicaManager, id: ReplicaId) -> Vec<u16> {
            [$(manager.get::<$name>(id).map(|chunk| chunk.value)),*].into_iter().flatten().collect()
        }
    };
}

chunk_types!(
    C0, C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14, C15, C16, C17, C18, C19, C20, C21, C22, C23, C24,
    C25, C26, C27, C28, C29, C30, C31, C32, C33, C34, C35, C36, C37, C38, C39, C40, C41, C42, C43, C44, C45, C46, C47,
    C48, C49, C50, C51, C52, C53, C54, C55, C56, C57, C58, C59, C60, C61, C62, C63, C64
);

#[test]
fn sixty_four_chunks_arrive_whole_and_one_more_is_refused() {
    assert_eq!(limits::CHUNKS_PER_REPLICA, 64);
    for seed in 0..8 {
        let mut mesh = Mesh::new(&registry(), 2, seed, Weather::FOUL);
        assert_eq!(add(&mut mesh.managers[1], 65), Err(AddError::ChunkCount));
        assert!(mesh.managers[1].is_empty(), "nothing was added");
        let id = add(&mut mesh.managers[1], 64).unwrap();
        while mesh.managers[2].is_empty() {
            mesh.step();
            assert!(mesh.tick < 1_000);
        }
        assert_eq!(values(&mesh.managers[2], id), (1..=64).collect::<Vec<_>>(), "all of it at once, seed {seed}");
        mesh.managers[1].primary_mut::<C63>(id).unwrap().value = 900;
        mesh.settle();
        assert_eq!(mesh.managers[2].get::<C63>(id).unwrap().value, 900);
        assert_eq!(mesh.managers[2].get::<C64>(id), Err(ReplicaError::NoSuchChunk(id)));
        mesh.managers[1].destroy(id).unwrap();
        mesh.settle();
        assert!(mesh.managers.iter().all(ReplicaManager::is_empty));
    }
}
