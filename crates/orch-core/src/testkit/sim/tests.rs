use super::{Law, Tale};

/// Plays the stories of seeds; one that breaks a law is told as short as it gets.
fn play(seeds: impl IntoIterator<Item = u64>) {
    for seed in seeds {
        let tale = Tale::of(seed);
        assert!(tale.play().breach.is_none(), "{}", tale.shrunk(None).play());
    }
}

// Apart, so that they are played beside each other.
#[test]
fn stories_break_no_law_one() {
    play(0..25);
}

#[test]
fn stories_break_no_law_two() {
    play(275..300);
}

/// Seeds whose stories once broke a law.
#[test]
fn what_was_mended_stays_mended() {
    play([
        // Never two pull requests; merged at an old head, and merged elsewhere.
        0, 27, 38, 43, 195, // A look that is never answered.
        14, 42, 44, // A clock above a dialog.
        21, 50, 51, // A look that was begun before the agent's last deed.
        131, 1473, 1027, 1287, // What was merged into the branch of a task that is skipped then.
        1438, 2476, // A retry of published work whose verify command could not be ended.
        416,  // Work that conflicts before it begins, where nobody merges.
        1905, 1941, 2234, // What is built on work that is skipped then.
        2707, 8072, // What waits for the end of an outage holds no slot.
        4734, 9947, // What an agent committed on no branch and deleted itself.
        1374, 1700, 83656, // Another pull request than the remembered one; what cannot be rebased.
        37651, 68068, // A lock in the way of a save that a person asked for.
        23859, // What is built on a skipped task behind one that waits for a person.
        83428, // What waits for the end of an outage is not ready.
        23469, // What a person put right holds no turn to verify before it has a slot.
        11642,
    ]);
}

#[test]
fn every_law_finds_its_planted_fault() {
    for law in Law::ALL {
        let found = (1000..1060).find_map(|seed| Tale::of(seed).play_with(Some(*law)).breach);
        assert_eq!(found.map(|breach| breach.law), Some(*law));
    }
}

#[test]
fn a_story_is_told_as_short_as_its_breach_allows() {
    let tale = Tale::of(1000);
    let shrunk = tale.shrunk(Some(Law::Parallel));
    assert!(shrunk.play_with(Some(Law::Parallel)).breach.is_some());
    assert!(shrunk.parts.len() < tale.parts.len(), "{shrunk}");
}

#[test]
fn stories_are_of_a_size_that_people_have() {
    let stories = 60;
    let (mut tasks, mut records) = (0, 0);
    for seed in 3000..3000 + stories {
        let tale = Tale::of(seed);
        tasks += tale.parts.len();
        records += tale.play().journal.len();
    }
    assert!((7..=9).contains(&(tasks / 60)), "{tasks} tasks in {stories} stories");
    assert!(records / 60 >= 200, "{records} records in {stories} stories");
}
