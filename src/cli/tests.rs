use clap::CommandFactory;

use super::*;

/// Parses arguments of a command that stands alone.
#[derive(Debug, Parser)]
struct Alone<T: Args> {
    #[command(flatten)]
    args: T,
}

#[derive(Debug, Parser)]
struct Group<T: Subcommand> {
    #[command(subcommand)]
    command: T,
}

fn alone<T: Args>(line: &str) -> Result<T, clap::Error> {
    Alone::try_parse_from(format!("it {line}").split_whitespace()).map(|alone| alone.args)
}

fn group<T: Subcommand>(line: &str) -> Result<T, clap::Error> {
    Group::try_parse_from(format!("it {line}").split_whitespace()).map(|group| group.command)
}

#[test]
fn every_definition_is_sound() {
    Cli::command().debug_assert();
    Alone::<DemoArgs>::command().debug_assert();
}

#[test]
fn enqueue_speaks_the_vocabulary_of_the_queue() {
    let args: EnqueueArgs = alone("user_1 --include samples,route --kinds sleep --wait").unwrap();
    assert_eq!(args.include, [Detail::Samples, Detail::Route]);
    assert_eq!(
        (args.kinds, args.lane, args.wait),
        (vec![Kind::Sleep], Lane::Interactive, true)
    );
    let error = alone::<EnqueueArgs>("user_1 --lane fast")
        .unwrap_err()
        .to_string();
    assert!(error.contains("interactive, event, periodic"), "{error}");
    assert!(alone::<EnqueueArgs>("user/1").is_err());
}

#[test]
fn what_destroys_names_its_object() {
    assert!(group::<DeadCommand>("drop --yes").is_err());
    assert!(group::<DeadCommand>("retry").is_err());
    assert!(matches!(
        group("retry --all"),
        Ok(DeadCommand::Retry(DeadRetryArgs { all: true, .. }))
    ));
    assert!(group::<TransactionsCommand>("accept-loss not-an-id").is_err());
}

#[test]
fn a_token_is_no_argument() {
    assert!(
        matches!(group("import -"), Ok(UsersCommand::Import(args)) if args.file.as_os_str() == "-")
    );
    assert!(group::<UsersCommand>("import users.jsonl --access-token x").is_err());
}

#[test]
fn the_demo_has_the_documented_defaults() {
    let args: DemoArgs = alone("").unwrap();
    assert_eq!((args.users, args.quota_scale, args.exit), (25, 100, false));
    assert!(alone::<DemoArgs>("--users 0").is_err());
}
