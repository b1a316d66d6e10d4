//! Writes a review as one page of HTML without external resources; the template escapes everything. Called by `roster
//! review -o html`.

use anyhow::Context as _;
use askama::Template;

use super::{
    report::{AccountReview, Review},
    show::{Section, UNREAD, about, counts, head, heading, sections, sign_off, unread},
};
use crate::cli::output::Table;

#[derive(Template)]
#[template(path = "review.html")]
struct Page {
    heading: String,
    head: Table,
    unread: Option<Table>,
    note: &'static str,
    numbers: Table,
    accounts: Vec<Account>,
    sign: Table,
}

struct Account {
    title: String,
    about: String,
    sections: Vec<Section>,
}

/// Returns the page.
pub fn page(review: &Review) -> anyhow::Result<String> {
    let account = |account: &AccountReview| Account {
        title: format!("{} ({})", account.display_name, account.account),
        about: about(account),
        sections: sections(account, review),
    };
    let page = Page {
        heading: heading(review),
        head: head(review),
        unread: (!review.unread.is_empty()).then(|| unread(review)),
        note: UNREAD,
        numbers: counts(review, false),
        accounts: review.accounts.iter().map(account).collect(),
        sign: sign_off(review),
    };
    page.render().context("cannot write the page")
}
