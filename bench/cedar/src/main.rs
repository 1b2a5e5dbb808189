//! analyzer SCHEMA OLD NEW SOLVER [ARGUMENT...]
//!
//! Does NEW permit only what OLD permits? Cedar's own analyzer (SymCC) is asked, in each request environment of the
//! schema, with one SOLVER process for all questions.
//!
//! Each line on standard input asks for one round, which compiles and solves anew and is answered by one line of JSON:
//! {"holds": false, "confirmed": true, "environments": 5, "compile_ms": 1.2, "solve_ms": 3.4, "parse_ms": 5.6}
//! confirmed: whether Cedar's ordinary authorizer decides every counterexample as a gain; false where all holds.
//! parse_ms: reading the three files, once. Exit code 2: something is wrong, or the solver gives no answer.

use cedar_policy::{Authorizer, Decision, PolicySet, Schema};
use cedar_policy_symcc::{solver::LocalSolver, CedarSymCompiler, CompiledPolicySet, Env};
use std::{
    error::Error,
    fs::read_to_string,
    io::stdin,
    process::{exit, Command},
    str::FromStr,
    time::Instant,
};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What is compared. NEW may permit only what OLD permits.
struct Pair {
    schema: Schema,
    old: PolicySet,
    new: PolicySet,
}

/// One round's answer and times.
#[derive(Default)]
struct Round {
    environments: usize,
    counterexamples: usize,
    confirmed: usize,
    compile_ms: f64,
    solve_ms: f64,
}

impl Pair {
    fn read(schema: &str, old: &str, new: &str) -> Outcome<Self> {
        Ok(Self {
            schema: Schema::from_cedarschema_str(&read_to_string(schema)?)?.0,
            old: PolicySet::from_str(&read_to_string(old)?)?,
            new: PolicySet::from_str(&read_to_string(new)?)?,
        })
    }

    async fn round(&self, compiler: &mut CedarSymCompiler<LocalSolver>) -> Outcome<Round> {
        let mut round = Round::default();
        for environment in self.schema.request_envs() {
            round.environments += 1;
            let begun = Instant::now();
            let old = CompiledPolicySet::compile(&self.old, &environment, &self.schema)?;
            let new = CompiledPolicySet::compile(&self.new, &environment, &self.schema)?;
            round.compile_ms += milliseconds(begun);
            let begun = Instant::now();
            let found = compiler.check_implies_with_counterexample_opt(&new, &old).await?;
            round.solve_ms += milliseconds(begun);
            if let Some(example) = found {
                round.counterexamples += 1;
                round.confirmed += usize::from(self.gains(&example));
            }
        }
        Ok(round)
    }

    /// Whether the authorizer denies before and allows after.
    fn gains(&self, example: &Env) -> bool {
        let decide = |policies| {
            Authorizer::new().is_authorized(&example.request, policies, &example.entities).decision()
        };
        decide(&self.old) == Decision::Deny && decide(&self.new) == Decision::Allow
    }
}

impl Round {
    fn as_json(&self, parse_ms: f64) -> String {
        let holds = self.counterexamples == 0;
        let confirmed = !holds && self.confirmed == self.counterexamples;
        format!(
            "{{\"holds\": {holds}, \"confirmed\": {confirmed}, \"environments\": {}, \"compile_ms\": {:.3}, \
             \"solve_ms\": {:.3}, \"parse_ms\": {parse_ms:.3}}}",
            self.environments, self.compile_ms, self.solve_ms
        )
    }
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

async fn run() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [schema, old, new, solver, rest @ ..] = arguments.as_slice() else {
        return Err("usage: analyzer SCHEMA OLD NEW SOLVER [ARGUMENT...]".into());
    };
    let begun = Instant::now();
    let pair = Pair::read(schema, old, new)?;
    let parse_ms = milliseconds(begun);
    let mut command = Command::new(solver);
    command.args(rest);
    let mut compiler = CedarSymCompiler::new(LocalSolver::from_command(&mut command.into())?)?;
    for line in stdin().lines() {
        line?;
        println!("{}", pair.round(&mut compiler).await?.as_json(parse_ms));
    }
    Ok(())
}

#[tokio::main]
async fn main() {
    if let Err(fault) = run().await {
        eprintln!("error: {fault} ({fault:?})");
        exit(2);
    }
}
