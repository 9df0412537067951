//! The world that naia asks of a program: entities in a list, components in boxes. What is only for entities that clients own is not
//! there.

use std::collections::HashMap;

use naia_shared::{
    ComponentFieldUpdate, ComponentKind, ComponentKinds, ComponentUpdate, EntityAndGlobalEntityConverter,
    GlobalWorldManagerType, LocalEntityAndGlobalEntityConverter, ReplicaDynMutWrapper, ReplicaDynRefWrapper,
    ReplicaMutTrait, ReplicaMutWrapper, ReplicaRefTrait, ReplicaRefWrapper, Replicate, ReplicatedComponent, SerdeErr,
    WorldMutType, WorldRefType,
};

type Components = HashMap<ComponentKind, Box<dyn Replicate>>;

#[derive(Default)]
pub struct World {
    entities: Vec<Option<Components>>,
}

struct Shared<'a, R>(&'a R);

struct Exclusive<'a, R>(&'a mut R);

impl<R: Replicate> ReplicaRefTrait<R> for Shared<'_, R> {
    fn to_ref(&self) -> &R {
        self.0
    }
}

impl<R: Replicate> ReplicaRefTrait<R> for Exclusive<'_, R> {
    fn to_ref(&self) -> &R {
        self.0
    }
}

impl<R: Replicate> ReplicaMutTrait<R> for Exclusive<'_, R> {
    fn to_mut(&mut self) -> &mut R {
        self.0
    }
}

impl World {
    fn get(&self, entity: u32) -> Option<&Components> {
        self.entities.get(entity as usize)?.as_ref()
    }

    fn get_mut(&mut self, entity: u32) -> Option<&mut Components> {
        self.entities.get_mut(entity as usize)?.as_mut()
    }

    fn boxed(&mut self, entity: u32, kind: ComponentKind) -> Option<&mut Box<dyn Replicate>> {
        self.get_mut(entity)?.get_mut(&kind)
    }
}

/// The same for a world and for what borrows one.
macro_rules! read {
    ($($world:ty),*) => {$(
        impl WorldRefType<u32> for $world {
            fn has_entity(&self, entity: &u32) -> bool {
                self.get(*entity).is_some()
            }

            fn entities(&self) -> Vec<u32> {
                (0..).zip(&self.entities).filter(|(_, entity)| entity.is_some()).map(|(at, _)| at).collect()
            }

            fn has_component<R: ReplicatedComponent>(&self, entity: &u32) -> bool {
                self.has_component_of_kind(entity, &ComponentKind::of::<R>())
            }

            fn has_component_of_kind(&self, entity: &u32, kind: &ComponentKind) -> bool {
                self.get(*entity).is_some_and(|components| components.contains_key(kind))
            }

            fn component<'a, R: ReplicatedComponent>(&'a self, entity: &u32) -> Option<ReplicaRefWrapper<'a, R>> {
                let component = self.get(*entity)?.get(&ComponentKind::of::<R>())?;
                Some(ReplicaRefWrapper::new(Shared(component.to_any().downcast_ref::<R>()?)))
            }

            fn component_of_kind<'a>(&'a self, entity: &u32, kind: &ComponentKind) -> Option<ReplicaDynRefWrapper<'a>> {
                Some(ReplicaDynRefWrapper::new(self.get(*entity)?.get(kind)?.dyn_ref()))
            }
        }
    )*};
}

read!(World, &World, &mut World);

impl WorldMutType<u32> for &mut World {
    fn spawn_entity(&mut self) -> u32 {
        self.entities.push(Some(Components::new()));
        u32::try_from(self.entities.len() - 1).expect("few entities")
    }

    fn local_duplicate_entity(&mut self, entity: &u32) -> u32 {
        let copy = self.spawn_entity();
        self.local_duplicate_components(&copy, entity);
        copy
    }

    fn local_duplicate_components(&mut self, to: &u32, from: &u32) {
        let copies: Components =
            self.get(*from).into_iter().flatten().map(|(kind, component)| (*kind, component.copy_to_box())).collect();
        self.get_mut(*to).expect("an entity").extend(copies);
    }

    fn despawn_entity(&mut self, entity: &u32) {
        self.entities[*entity as usize] = None;
    }

    fn component_kinds(&mut self, entity: &u32) -> Vec<ComponentKind> {
        self.get(*entity).into_iter().flat_map(HashMap::keys).copied().collect()
    }

    fn component_mut<'a, R: ReplicatedComponent>(&'a mut self, entity: &u32) -> Option<ReplicaMutWrapper<'a, R>> {
        let component = self.boxed(*entity, ComponentKind::of::<R>())?;
        Some(ReplicaMutWrapper::new(Exclusive(component.to_any_mut().downcast_mut::<R>()?)))
    }

    fn component_mut_of_kind<'a>(&'a mut self, entity: &u32, kind: &ComponentKind) -> Option<ReplicaDynMutWrapper<'a>> {
        Some(ReplicaDynMutWrapper::new(self.boxed(*entity, *kind)?.dyn_mut()))
    }

    fn component_apply_update(
        &mut self,
        converter: &dyn LocalEntityAndGlobalEntityConverter,
        entity: &u32,
        kind: &ComponentKind,
        update: ComponentUpdate,
    ) -> Result<(), SerdeErr> {
        self.boxed(*entity, *kind).map_or(Ok(()), |component| component.read_apply_update(converter, update))
    }

    fn component_apply_field_update(
        &mut self,
        converter: &dyn LocalEntityAndGlobalEntityConverter,
        entity: &u32,
        kind: &ComponentKind,
        update: ComponentFieldUpdate,
    ) -> Result<(), SerdeErr> {
        self.boxed(*entity, *kind).map_or(Ok(()), |component| component.read_apply_field_update(converter, update))
    }

    fn mirror_entities(&mut self, to: &u32, from: &u32) {
        for kind in self.component_kinds(from) {
            self.mirror_components(to, from, &kind);
        }
    }

    fn mirror_components(&mut self, to: &u32, from: &u32, kind: &ComponentKind) {
        let Some(source) = self.get(*from).and_then(|components| components.get(kind)) else { return };
        let source = source.copy_to_box();
        if let Some(component) = self.boxed(*to, *kind) {
            component.mirror(&*source);
        }
    }

    fn insert_component<R: ReplicatedComponent>(&mut self, entity: &u32, component: R) {
        self.insert_boxed_component(entity, Box::new(component));
    }

    fn insert_boxed_component(&mut self, entity: &u32, component: Box<dyn Replicate>) {
        self.get_mut(*entity).expect("an entity").insert(component.kind(), component);
    }

    fn remove_component<R: ReplicatedComponent>(&mut self, entity: &u32) -> Option<R> {
        let component = self.remove_component_of_kind(entity, &ComponentKind::of::<R>())?;
        component.to_boxed_any().downcast().ok().map(|component| *component)
    }

    fn remove_component_of_kind(&mut self, entity: &u32, kind: &ComponentKind) -> Option<Box<dyn Replicate>> {
        self.get_mut(*entity)?.remove(kind)
    }

    fn entity_publish(
        &mut self,
        _: &ComponentKinds,
        _: &dyn EntityAndGlobalEntityConverter<u32>,
        _: &dyn GlobalWorldManagerType,
        _: &u32,
    ) {
        unreachable!("{CLIENTS}");
    }

    fn component_publish(
        &mut self,
        _: &ComponentKinds,
        _: &dyn EntityAndGlobalEntityConverter<u32>,
        _: &dyn GlobalWorldManagerType,
        _: &u32,
        _: &ComponentKind,
    ) {
        unreachable!("{CLIENTS}");
    }

    fn entity_unpublish(&mut self, _: &u32) {
        unreachable!("{CLIENTS}");
    }

    fn component_unpublish(&mut self, _: &u32, _: &ComponentKind) {
        unreachable!("{CLIENTS}");
    }

    fn entity_enable_delegation(
        &mut self,
        _: &ComponentKinds,
        _: &dyn EntityAndGlobalEntityConverter<u32>,
        _: &dyn GlobalWorldManagerType,
        _: &u32,
    ) {
        unreachable!("{CLIENTS}");
    }

    fn component_enable_delegation(
        &mut self,
        _: &ComponentKinds,
        _: &dyn EntityAndGlobalEntityConverter<u32>,
        _: &dyn GlobalWorldManagerType,
        _: &u32,
        _: &ComponentKind,
    ) {
        unreachable!("{CLIENTS}");
    }

    fn entity_disable_delegation(&mut self, _: &u32) {
        unreachable!("{CLIENTS}");
    }

    fn component_disable_delegation(&mut self, _: &u32, _: &ComponentKind) {
        unreachable!("{CLIENTS}");
    }
}

const CLIENTS: &str = "clients own nothing here";
