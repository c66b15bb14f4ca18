//! A model of the replicated log (`docs/protocol.md`). In it messages are lost, repeated and late, several drivers
//! reconfigure the log, and units fail in the ways that a setting allows. `stateright` visits every world that this can
//! lead to. A world is the state of all parts at one moment.
//!
//! - [`setting`]: how large the world is and what can go wrong; [`budget`]: how often each thing can happen; [`rule`]: the
//!   rules that can be left out; [`case`]: the settings that are checked
//! - [`world`]: everything that is remembered; [`step`], `steps`: what can happen next; `properties`: what must hold in
//!   every world; [`event`], `reached`: what must happen in at least one world
//! - [`founding`]: how the seats of a new cluster agree on their log, a model of its own
//! - [`report`]: what a check found
//!
//! What the model leaves out on purpose:
//!
//! - A message is never removed. A store may reach any unit at any time, any number of times. A lost store is one that
//!   never arrives.
//! - A call of a driver or a reader, and its answer, are one step. A late answer is the same as a caller that pauses.
//! - Everybody knows the answer of a unit, and the tail that it tells, as soon as the unit gives it, and knows every
//!   offset as soon as it is granted. So as many appends as possible count as acknowledged, by the sequencer or by any
//!   other node, and the rules have to protect all of them. A told tail that comes late says nothing new.
//! - A call of the register is one step. It never fails, because openraft replicates the register. A driver that stops
//!   after the call stands for a driver that did not get the answer.

pub mod budget;
pub mod case;
pub mod event;
pub mod founding;
mod properties;
mod reached;
pub mod report;
pub mod rule;
pub mod setting;
pub mod step;
mod steps;
pub mod world;

use setting::Setting;
use stateright::{Model, Property};
use step::Step;
use world::World;

impl Model for Setting {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self)]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        self.steps(world, steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        self.take(world, step)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("nothing acknowledged is lost", properties::nothing_acknowledged_is_lost),
            Property::always("a position has one value", properties::a_position_has_one_value),
            Property::always("a tail keeps its promise", properties::a_tail_keeps_its_promise),
            Property::always("no tail is stale", |_, world| properties::no_tail_is_stale(world)),
        ];
        properties.extend(self.events.iter().map(|event| Property::sometimes(event.text(), event.condition())));
        properties
    }
}
