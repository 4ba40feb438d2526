//! A history that breaks a rule, made as small as it can be and still break it.

use super::history::{Act, Edit, History, Nature, Run};
use super::sheet::Part;

/// Tries what is smaller until nothing smaller will do.
pub fn shrink(history: History, still_breaks: impl Fn(&History) -> bool) -> History {
    let mut small = history;
    while let Some(smaller) = smaller(&small).into_iter().find(&still_breaks) {
        small = smaller;
    }
    small
}

/// The boldest first.
fn smaller(history: &History) -> Vec<History> {
    let mut all = Vec::new();
    for acts in without_one(&history.acts) {
        all.push(History { acts, ..history.clone() });
    }
    for parts in without_one(&history.parts) {
        all.push(History { parts, ..history.clone() });
    }
    for (index, act) in history.acts.iter().enumerate() {
        for act in plainer(act) {
            let mut acts = history.acts.clone();
            acts[index] = act;
            all.push(History { acts, ..history.clone() });
        }
    }
    for (index, part) in history.parts.iter().enumerate() {
        for part in simpler(part) {
            let mut parts = history.parts.clone();
            parts[index] = part;
            all.push(History { parts, ..history.clone() });
        }
    }
    all.push(History { locks: false, ..history.clone() });
    all.push(History { ends: false, ..history.clone() });
    all.retain(|other| other != history);
    all
}

fn without_one<T: Clone>(all: &[T]) -> impl Iterator<Item = Vec<T>> {
    (0..all.len()).map(|index| {
        let mut fewer = all.to_vec();
        fewer.remove(index);
        fewer
    })
}

fn plainer(act: &Act) -> Vec<Act> {
    match act {
        Act::Run(run) => quieter(run).into_iter().map(Act::Run).collect(),
        Act::Race(runs) => {
            let mut all: Vec<Act> = runs.iter().cloned().map(Act::Run).collect();
            all.extend(without_one(runs).map(Act::Race));
            for (index, run) in runs.iter().enumerate() {
                for run in quieter(run) {
                    let mut runs = runs.clone();
                    runs[index] = run;
                    all.push(Act::Race(runs));
                }
            }
            all
        }
        Act::Edit(Edit::Put(part)) => {
            simpler(part).into_iter().map(|part| Act::Edit(Edit::Put(part))).collect()
        }
        Act::Edit(_) | Act::Outside(_) | Act::Pass(_) => Vec::new(),
    }
}

fn quieter(run: &Run) -> Vec<Run> {
    let same = || run.clone();
    let mut all = vec![
        Run { end: None, ..same() },
        Run { faults: Vec::new(), ..same() },
        Run { between: Vec::new(), ..same() },
        Run { blows: Vec::new(), ..same() },
        Run { unlocked: None, ..same() },
        Run { nature: Nature::default(), ..same() },
        Run { latency: 0, ..same() },
        Run { delete_data: true, ..same() },
        Run { destroy: false, ..same() },
    ];
    all.extend(without_one(&run.faults).map(|faults| Run { faults, ..same() }));
    all.extend(without_one(&run.between).map(|between| Run { between, ..same() }));
    let nature = run.nature;
    all.extend(
        [
            Nature { settles: 0, ..nature },
            Nature { forgets: 0, ..nature },
            Nature { leaves: 0, ..nature },
            Nature { unlisted: 0, ..nature },
            Nature { one_field: false, ..nature },
        ]
        .map(|nature| Run { nature, ..same() }),
    );
    all.retain(|other| other != run);
    all
}

fn simpler(part: &Part) -> Vec<Part> {
    let mut all = vec![
        Part { refers: Vec::new(), ..part.clone() },
        Part { renamed: false, ..part.clone() },
        Part { variant: 0, ..part.clone() },
        Part { kind: 0, ..part.clone() },
    ];
    all.extend(without_one(&part.refers).map(|refers| Part { refers, ..part.clone() }));
    all.retain(|other| other != part);
    all
}
