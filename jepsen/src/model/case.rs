//! [`cases`]: the settings that are checked, and the rules that each shows to be needed.

use super::event::Event;
use super::rule::Rule;
use super::setting::Setting;

/// A setting to check, and the rules that it shows to be needed.
#[derive(Clone, Debug)]
pub struct Case {
    /// What the setting is about.
    pub name: &'static str,
    /// The setting, with all rules.
    pub setting: Setting,
    /// Each of these rules, if it is left out, must lead to a counterexample in this setting.
    pub rules: Vec<Rule>,
}

fn case(name: &'static str, rules: &[Rule], events: &[Event], setting: Setting) -> Case {
    Case { name, setting: Setting { events: events.to_vec(), ..setting }, rules: rules.to_vec() }
}

/// Cases that take seconds each.
pub fn cases() -> Vec<Case> {
    let small = Setting::small();
    let two_drivers = Setting { attempts: [1, 1], ..small.clone() };
    let checked = Setting { tail_checks: 1, ..small.clone() };
    vec![
        case(
            "one driver",
            &[Rule::SealMeetsWrites, Rule::RepairBeforeInstall],
            &[Event::EndBelowGrants, Event::TwoSequencers],
            small.clone(),
        ),
        case(
            "two drivers",
            &[
                Rule::SameIsNoAcknowledgement,
                Rule::TailFirstSealSecond,
                Rule::ChainSettles,
                Rule::ChainEndsSegments,
                Rule::RepairLeavesNoGap,
            ],
            &[Event::DifferentEnds, Event::RepairedBeyondEnd],
            two_drivers.clone(),
        ),
        case(
            "two drivers, one of which begins again; units skip cells",
            &[Rule::RepairLeavesNoGap],
            &[Event::SkippedCell],
            Setting { attempts: [2, 1], known_tails: true, ..small.clone() },
        ),
        case(
            "a tail check",
            &[Rule::TailCheckAsksQuorum, Rule::TailCheckWaits],
            &[Event::StaleReader],
            checked.clone(),
        ),
        case(
            "two units",
            &[Rule::TailCheckMeetsSeals],
            &[Event::StaleReader, Event::DifferentEnds],
            Setting { units: 2, attempts: [1, 1], ..checked.clone() },
        ),
        case(
            "four units",
            &[Rule::TailCheckMeetsSeals],
            &[Event::StaleReader],
            Setting { units: 4, write_quorum: 3, ..checked.clone() },
        ),
        case(
            "four units, two drivers",
            &[Rule::SealMeetsWrites],
            &[Event::DifferentEnds],
            Setting { units: 4, write_quorum: 3, ..two_drivers.clone() },
        ),
        case("a wiped unit", &[Rule::WipedIsNobody], &[Event::SourceLost], Setting { wipes: 1, ..checked.clone() }),
        case("a restored disk", &[Rule::RestoredIsNobody], &[], Setting { restores: 1, ..checked.clone() }),
        case("a crash", &[Rule::SealIsDurable], &[], Setting { crashes: 1, ..small.clone() }),
        case(
            "a sequencer that starts again",
            &[Rule::OneIncarnation, Rule::StartRaisesBoot],
            &[],
            Setting { sequencer_starts: 1, ..small.clone() },
        ),
        case("a refused store", &[Rule::OffsetIsGivenOnce], &[], Setting { refusals: 1, ..small }),
        case("trimmed and dropped", &[Rule::DroppedStaysSealed], &[], Setting { trims: true, ..checked }),
    ]
}

/// Larger cases, which take minutes each.
pub fn deep_cases() -> Vec<Case> {
    let long = Setting { reconfigurations: 2, attempts: [2, 1], ..Setting::small() };
    vec![
        case("two reconfigurations, two drivers", &[], &[Event::SecondEnd, Event::DifferentEnds], long.clone()),
        case(
            "two tail checks, two drivers",
            &[],
            &[Event::StaleReader],
            Setting { tail_checks: 2, attempts: [1, 1], ..Setting::small() },
        ),
        case(
            "a wiped unit, two drivers, one of which begins again",
            &[],
            &[Event::SourceLost, Event::DifferentEnds],
            Setting { wipes: 1, attempts: [2, 1], ..Setting::small() },
        ),
        case(
            "two reconfigurations, a tail check, a wiped unit",
            &[],
            &[Event::SecondEnd, Event::SourceLost, Event::StaleReader],
            Setting { attempts: [2, 0], tail_checks: 1, wipes: 1, ..long },
        ),
    ]
}
