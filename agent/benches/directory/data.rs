//! The same 100,000 directories for both servers: a raw dump for one, LDIF for the other.

use std::fmt::Write as _;

/// Directories in all, the root included.
pub const DIRECTORIES: u32 = 100_000;
/// Directories of people that each hold [`MEMBERS`] more.
pub const DEPARTMENTS: u32 = 500;
/// People in a department.
pub const MEMBERS: u32 = 99;
/// People in one wide directory: the rest, without the root and both tops.
pub const USERS: u32 = DIRECTORIES - 3 - DEPARTMENTS * (MEMBERS + 1);

/// Numbers that look random and are the same in every run (SplitMix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u32) -> u32 {
        u32::try_from(self.next() % u64::from(n)).expect("below a u32")
    }
}

/// A person; all that is told of one follows from the number.
#[derive(Clone, Copy)]
pub struct Person(pub u32);

impl Person {
    /// A member of a department.
    pub fn of(department: u32, member: u32) -> Person {
        Person(USERS + department * MEMBERS + member)
    }

    pub fn name(self) -> String {
        format!("p{:05}", self.0)
    }

    pub fn uid(self) -> String {
        (100_000 + self.0).to_string()
    }

    /// Twelve letters of the seeded kind.
    pub fn real_name(self) -> String {
        let mut random = Random(u64::from(self.0));
        let mut letter = || char::from(b'a' + u8::try_from(random.below(26)).expect("a letter"));
        (0..12).map(|_| letter()).collect()
    }

    fn home(self) -> String {
        format!("/home/{}", self.name())
    }
}

pub fn department(number: u32) -> String {
    format!("d{number:03}")
}

/// Where objects are: depth-first in the file's order, the root is 0.
pub mod object {
    use super::{MEMBERS, USERS};

    pub const USERS_TOP: u32 = 1;
    pub const DEPARTMENTS_TOP: u32 = USERS_TOP + USERS + 1;

    pub fn department(number: u32) -> u32 {
        DEPARTMENTS_TOP + 1 + number * (MEMBERS + 1)
    }

    pub fn member(department_number: u32, number: u32) -> u32 {
        department(department_number) + 1 + number
    }
}

/// The raw dump.  Every directory carries the generation, so that a mixture of two can be told.
pub fn nidump(generation: u32) -> String {
    let mut out = format!(
        "{{\n  \"master\" = ( \"bench/network\" );\n  \"generation\" = ( \"{generation}\" );\n  CHILDREN = (\n"
    );
    let top = |out: &mut String, name: &str| {
        let head =
            format!("\"name\" = ( \"{name}\" ); \"generation\" = ( \"{generation}\" ); CHILDREN = (\n");
        *out += &format!("    {{ {head}");
    };
    let person = |out: &mut String, person: Person, end: &str| {
        let (name, uid, real_name, home) = (person.name(), person.uid(), person.real_name(), person.home());
        writeln!(
            out,
            "        {{ \"name\" = ( \"{name}\" ); \"uid\" = ( \"{uid}\" ); \"gid\" = ( \"20\" ); \
             \"realname\" = ( \"{real_name}\" ); \"home\" = ( \"{home}\" ); \"shell\" = ( \"/bin/sh\" ); \
             \"generation\" = ( \"{generation}\" ); }}{end}"
        )
        .expect("text");
    };
    let end = |number: u32, of: u32| if number + 1 < of { "," } else { "" };
    top(&mut out, "users");
    (0..USERS).for_each(|n| person(&mut out, Person(n), end(n, USERS)));
    out += "    ) },\n";
    top(&mut out, "departments");
    for d in 0..DEPARTMENTS {
        top(&mut out, &department(d));
        (0..MEMBERS).for_each(|n| person(&mut out, Person::of(d, n), end(n, MEMBERS)));
        writeln!(out, "    ) }}{}", end(d, DEPARTMENTS)).expect("text");
    }
    out + "    ) }\n  )\n}\n"
}

/// The suffix of the other server's tree.
pub const SUFFIX: &str = "dc=bench";

/// The same as entries.
pub fn ldif() -> String {
    let mut out = format!("dn: {SUFFIX}\nobjectClass: domain\ndc: bench\n\n");
    let unit = |out: &mut String, dn: &str, name: &str| {
        writeln!(out, "dn: {dn}\nobjectClass: organizationalUnit\nou: {name}\ndescription: 1\n")
            .expect("text");
    };
    let entry = |out: &mut String, dn: &str, person: Person| {
        let (name, uid, real_name, home) = (person.name(), person.uid(), person.real_name(), person.home());
        writeln!(
            out,
            "dn: {dn}\nobjectClass: account\nobjectClass: posixAccount\nuid: {name}\nuidNumber: {uid}\n\
             gidNumber: 20\ncn: {real_name}\nhomeDirectory: {home}\nloginShell: /bin/sh\ndescription: 1\n"
        )
        .expect("text");
    };
    unit(&mut out, &users_dn(), "users");
    (0..USERS).for_each(|n| entry(&mut out, &user_dn(n), Person(n)));
    unit(&mut out, &format!("ou=departments,{SUFFIX}"), "departments");
    for d in 0..DEPARTMENTS {
        unit(&mut out, &department_dn(d), &department(d));
        (0..MEMBERS).for_each(|n| entry(&mut out, &member_dn(d, n), Person::of(d, n)));
    }
    out
}

pub fn users_dn() -> String {
    format!("ou=users,{SUFFIX}")
}

pub fn user_dn(number: u32) -> String {
    format!("uid={},{}", Person(number).name(), users_dn())
}

pub fn department_dn(number: u32) -> String {
    format!("ou={},ou=departments,{SUFFIX}", department(number))
}

pub fn member_dn(department_number: u32, number: u32) -> String {
    format!("uid={},{}", Person::of(department_number, number).name(), department_dn(department_number))
}
