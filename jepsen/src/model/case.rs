//! [`cases`]: the settings that are checked. Each of them shows that some rules are needed.

use super::budget::Budget;
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
    /// If any one of these rules is left out, the check of this setting must find a counterexample.
    pub rules: Vec<Rule>,
}

fn case(name: &'static str, rules: &[Rule], events: &[Event], setting: Setting) -> Case {
    Case { name, setting: Setting { events: events.to_vec(), ..setting }, rules: rules.to_vec() }
}

/// Cases that take seconds each.
pub fn cases() -> Vec<Case> {
    let small = Setting::small();
    let with = |setting: &Setting, budget| Setting { budget, ..setting.clone() };
    let two_drivers = with(&small, Budget { attempts: [1, 1], ..small.budget });
    let checked = with(&small, Budget { tail_checks: 1, ..small.budget });
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
                Rule::SealedTailConcludesNothing,
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
            Setting { known_tails: true, ..with(&small, Budget { attempts: [2, 1], ..small.budget }) },
        ),
        case(
            "a tail check",
            &[Rule::TailCheckAsksQuorum, Rule::TailCheckWaits, Rule::ToldTailAnswersNoCheck],
            &[Event::StaleReader],
            checked.clone(),
        ),
        case(
            "two units",
            &[Rule::TailCheckMeetsSeals],
            &[Event::StaleReader, Event::DifferentEnds],
            Setting { units: 2, ..with(&small, Budget { attempts: [1, 1], ..checked.budget }) },
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
        case(
            "a wiped unit",
            &[Rule::WipedIsNobody],
            &[Event::SourceLost],
            with(&checked, Budget { wipes: 1, ..checked.budget }),
        ),
        case(
            "a restored disk",
            &[Rule::RestoredIsNobody],
            &[],
            with(&checked, Budget { restores: 1, ..checked.budget }),
        ),
        case(
            "a crash",
            &[Rule::SealIsDurable, Rule::ToldTailIsDurable],
            &[],
            with(&small, Budget { crashes: 1, ..small.budget }),
        ),
        case(
            "a sequencer that starts again",
            &[Rule::OneIncarnation, Rule::StartRaisesBoot],
            &[],
            with(&small, Budget { sequencer_starts: 1, ..small.budget }),
        ),
        case("a refused store", &[Rule::OffsetIsGivenOnce], &[], with(&small, Budget { refusals: 1, ..small.budget })),
        case("trimmed and dropped", &[Rule::DroppedStaysSealed], &[], Setting { trims: true, ..checked }),
    ]
}

/// Larger cases, which take minutes each.
pub fn deep_cases() -> Vec<Case> {
    let with = |budget| Setting { budget, ..Setting::small() };
    let again = Budget { attempts: [2, 1], ..Budget::default() };
    let long = Setting { reconfigurations: 2, ..with(again) };
    vec![
        case("two reconfigurations, two drivers", &[], &[Event::SecondEnd, Event::DifferentEnds], long.clone()),
        case(
            "two tail checks, two drivers",
            &[],
            &[Event::StaleReader],
            with(Budget { tail_checks: 2, attempts: [1, 1], ..Budget::default() }),
        ),
        case(
            "a wiped unit, two drivers, one of which begins again",
            &[],
            &[Event::SourceLost, Event::DifferentEnds],
            with(Budget { wipes: 1, ..again }),
        ),
        case(
            "two reconfigurations, a tail check, a wiped unit",
            &[],
            &[Event::SecondEnd, Event::SourceLost, Event::StaleReader],
            Setting { budget: Budget { attempts: [2, 0], tail_checks: 1, wipes: 1, ..again }, ..long },
        ),
    ]
}
