//! Promises about names and numbers at their bounds. Run by the contract suite.

use super::{
    Backend,
    world::{email, ladder, member, members, ranks, world},
};
use roster_core::{
    model::{Layout, Name, Ranks, RoleName},
    plan::ObjectKey,
    resolve::RoleContent,
};

pub async fn unicode_quotes_and_slashes_survive(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    let odd = [
        "O'Hara \"Quote\"; DROP TABLE members; --",
        "Zoë 李小龙 🧑‍🚀 \u{202e}desrever",
        "back\\slash /slash/ %s ?1 :name $1 {json:[1]}",
        " leading, trailing and    spaces ",
        "\u{fffd}\u{10ffff}\u{feff}",
        "null",
        "1e3",
        "[]",
    ];
    for (number, text) in odd.into_iter().enumerate() {
        let mut content = member(&[1, 0, 2]);
        content.display_name = Some(text.into());
        content.external_id = Some(text.into());
        content.groups = [Name::new(text), Name::new("z")].into();
        world.members.insert(email(&format!("o'hara+{number}/x=*?{{}}`@shop.example")), content);
        world.roles.insert(RoleName::custom(text), RoleContent { title: text.into(), ranks: ranks(&[0, 1, 0]) });
        world
            .groups
            .insert(text.into(), roster_core::resolve::GroupContent { title: text.into(), ranks: ranks(&[2, 0, 0]) });
        world.account.display_name = text.into();
        world.account.catalog = text.into();
        world.converge(&*store).await;
        world.assert_held(&world.observe(&*store).await);
    }
    let emails: Vec<_> = world.members.keys().cloned().collect();
    let scope = members(&emails.iter().collect::<Vec<_>>());
    let observed = store.observe(world.key(), &scope, super::world::NOW).await.unwrap();
    assert_eq!(observed.members, world.observe(&*store).await.members);
    (world.members, world.roles, world.groups) = Default::default();
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
}

pub async fn an_address_of_254_characters_fits(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    let labels = ["b".repeat(63), "c".repeat(63), "d".repeat(59)].join(".");
    let long = format!("{}@{labels}.x", "a".repeat(64));
    assert_eq!(long.len(), 254);
    world.members.insert(email(&long), member(&[2, 0, 1]));
    world.account.owner = Some(email(&long));
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
    let observed = store.observe(world.key(), &members(&[&email(&long)]), super::world::NOW).await.unwrap();
    assert_eq!(observed.members.len(), 1);
}

pub async fn many_members_and_roles(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    let levels = |n: u32| ranks(&[(n % 3) as u8, (n % 2) as u8, (n % 4) as u8]);
    for n in 0..500 {
        let content = roster_core::resolve::MemberContent { ranks: levels(n), ..member(&[]) };
        world.members.insert(email(&format!("member-{n}@shop.example")), content);
    }
    for n in 0..150 {
        let content = RoleContent { title: format!("Role {n}").into(), ranks: levels(n) };
        world.roles.insert(RoleName::custom(&format!("role-{n}")), content);
    }
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
    // Every third member is removed, and every second one changes.
    let mut number = 0;
    world.members.retain(|_, content| {
        number += 1;
        content.ranks = levels(number + number % 2);
        number % 3 != 0
    });
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
    assert!(world.plan(&*store, roster_core::model::Scope::Account).await.changes.is_empty());
}

pub async fn the_largest_catalog_fits(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    let names: Vec<String> = (0..16).map(|n| format!("Level number {n}")).collect();
    let levels: Vec<&str> = names.iter().map(String::as_str).collect();
    let section = |n| format!("{}{n:03}", "s".repeat(60));
    world.account.layout = Layout::new((0..256).map(|n| ladder(&section(n), &levels)).collect());
    let all = |rank: u8| std::iter::repeat_n(rank, 256).collect::<Ranks>();
    let mixed: Ranks = (0..=255_u8).map(|n| n % 16).collect();
    world.roles.values_mut().for_each(|role| role.ranks = all(15));
    world.groups.values_mut().for_each(|group| group.ranks = all(0));
    world.members.values_mut().for_each(|member| member.ranks = mixed.clone());
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
}

pub async fn a_catalog_without_sections_works(backend: &dyn Backend) {
    let (store, mut world) = (backend.open().await, world("acme"));
    world.account.layout = Layout::default();
    world.roles.clear();
    world.groups.clear();
    world.members.values_mut().for_each(|member| member.ranks = Ranks::none(0));
    world.converge(&*store).await;
    world.assert_held(&world.observe(&*store).await);
    let account = world.observe(&*store).await.account;
    assert!(account.is_some_and(|observed| observed.mark.as_ref() == Some(world.mark())), "{}", ObjectKey::Account);
}
