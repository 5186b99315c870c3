//! ACLs as people write them: `scheme:id:perms`, by commas.

use serde_json::{Value, json};
use zoorum_client::{Acl, Permissions};

use crate::fault::Fault;

/// Letters in the order in which they are printed.
const LETTERS: [(char, Permissions); 5] = [
    ('c', Permissions::CREATE),
    ('d', Permissions::DELETE),
    ('r', Permissions::READ),
    ('w', Permissions::WRITE),
    ('a', Permissions::ADMIN),
];

/// Reads a list, which may end in a comma. An entry that is none spoils all of it: the original leaves such entries
/// out, and goes on.
///
/// # Errors
/// What is wrong with the first entry that is none.
pub(crate) fn parse(text: &str) -> Result<Vec<Acl<'static>>, Fault> {
    text.trim_end_matches(',').split(',').map(entry).collect()
}

fn entry(text: &str) -> Result<Acl<'static>, Fault> {
    let ends = text.find(':').zip(text.rfind(':')).filter(|(first, last)| first != last);
    let Some((first, last)) = ends else {
        let message = format!("{text} does not have the form scheme:id:perm\nAcl is not valid : null");
        return Err(Fault::new(message));
    };
    Ok(Acl {
        perms: permissions(&text[last + 1..])?,
        scheme: text[..first].to_owned().into(),
        id: text[first + 1..last].to_owned().into(),
    })
}

/// Reads letters.
pub(crate) fn permissions(letters: &str) -> Result<Permissions, Fault> {
    letters.chars().try_fold(Permissions(0), |all, letter| {
        match LETTERS.iter().find(|(known, _)| *known == letter) {
            Some((_, permission)) => Ok(Permissions(all.0 | permission.0)),
            None => Err(Fault::new(format!("Unknown perm type: {letter}"))),
        }
    })
}

/// Writes letters.
pub(crate) fn letters(permissions: Permissions) -> String {
    LETTERS.iter().filter(|(_, one)| permissions.intersects(*one)).map(|(letter, _)| *letter).collect()
}

/// One entry, as `getAcl` prints it: two lines.
pub(crate) fn lines(acl: &Acl<'_>) -> String {
    format!("'{},'{}\n: {}", acl.scheme, acl.id, letters(acl.perms))
}

/// One entry.
pub(crate) fn json(acl: &Acl<'_>) -> Value {
    json!({ "scheme": acl.scheme, "id": acl.id, "perms": letters(acl.perms) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_up_to_the_last_colon() {
        let acl = parse("digest:ann:x=:cdrwa,world:anyone:r,").expect("a list");
        assert_eq!((acl[0].id.as_ref(), acl[0].perms), ("ann:x=", Permissions::ALL));
        assert_eq!(acl[1], Acl::world(Permissions::READ));
        assert_eq!(lines(&acl[1]), "'world,'anyone\n: r");
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        for (text, message) in [
            ("world:anyone:x", "Unknown perm type: x"),
            ("foo", "foo does not have the form scheme:id:perm\nAcl is not valid : null"),
        ] {
            assert_eq!(parse(text), Err(Fault::new(message)));
        }
    }
}
