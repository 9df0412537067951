//! `max_len = n`.

use gridmate_runtime::prelude::*;
use gridmate_runtime::wire::{BitReader, BitWriter, WireError};

use crate::shared;

#[derive(Clone, Debug, Default, PartialEq, Marshal)]
struct Crate {
    #[marshal(max_len = 3)]
    barrels: Vec<u8>,
}

#[derive(Debug, Default, ReplicaChunk)]
struct Hold {
    #[dataset(max_len = 7)]
    label: String,
    lot: Crate,
}

#[rpcs]
impl Hold {
    #[rpc]
    fn rename(&mut self, _ctx: &RpcContext, #[marshal(max_len = 7)] label: String) {
        self.label = label;
    }
}

#[test]
fn a_length_takes_the_bits_that_its_limit_needs() {
    let mut w = BitWriter::new();
    let lot = Crate { barrels: vec![1, 2, 3] };
    lot.marshal(&mut w);
    assert_eq!(w.len(), 2 + 3 * 8);
    assert_eq!(Crate::unmarshal(&mut BitReader::new(w.finish())), Ok(lot));
    let mut w = BitWriter::new();
    Crate { barrels: vec![0; 4] }.marshal(&mut w);
    assert_eq!(w.error(), Some(WireError::TooLong));
}

#[test]
fn what_is_too_long_is_not_sent_until_it_is_shortened() {
    let (mut mesh, id) = shared(Hold { label: "rum".into(), ..Hold::default() });
    assert_eq!(mesh.managers[1].get::<Hold>(id).unwrap().label, "rum");
    mesh.managers[0].primary_mut::<Hold>(id).unwrap().label = "molasses".into();
    mesh.run(10);
    assert_eq!(mesh.managers[1].get::<Hold>(id).unwrap().label, "rum");
    mesh.managers[1].proxy::<Hold>(id).unwrap().rpcs().rename("sugar".into()).unwrap();
    mesh.run(20);
    assert_eq!(mesh.managers[1].get::<Hold>(id).unwrap().label, "sugar");
    assert!(mesh.managers[1].proxy::<Hold>(id).unwrap().rpcs().rename("molasses".into()).is_err());
}
