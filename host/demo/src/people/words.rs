//! The words that people are made of. Own lists, kept short: every name is common where it comes from.

/// The names of one origin.
pub(crate) struct Origin {
    /// Women's given names.
    pub(crate) female: &'static [&'static str],
    /// Men's given names.
    pub(crate) male: &'static [&'static str],
    /// Family names.
    pub(crate) families: &'static [&'static str],
}

/// A city with its own range of telephone numbers and postal codes.
pub(crate) struct City {
    /// Its name.
    pub(crate) name: &'static str,
    /// The state's abbreviation.
    pub(crate) state: &'static str,
    /// Of its telephone numbers.
    pub(crate) area_code: u16,
    /// The first of its forty postal codes.
    pub(crate) first_postal_code: u32,
}

/// Every origin; the first is given more than once, because most people have it.
pub(crate) static ORIGINS: [Origin; 14] = [
    ENGLISH,
    ENGLISH,
    ENGLISH,
    SPANISH,
    ENGLISH,
    SPANISH,
    GERMAN,
    FRENCH,
    POLISH,
    TURKISH,
    VIETNAMESE,
    INDIAN,
    NORDIC,
    CHINESE,
];

/// Names of English origin.
const ENGLISH: Origin = Origin {
    female: &[
        "Emma", "Olivia", "Charlotte", "Amelia", "Sophia", "Grace", "Hannah", "Abigail",
        "Elizabeth", "Margaret", "Katherine", "Rebecca", "Victoria", "Jennifer", "Jessica", "Susan",
        "Deborah", "Patricia", "Christine", "Barbara", "Dorothy", "Rachel", "Lucy", "Eleanor",
        "Alice", "Samantha", "Stephanie", "Heather", "Megan", "Catherine",
    ],
    male: &[
        "James", "Robert", "John", "Michael", "William", "David", "Richard", "Joseph", "Thomas",
        "Charles", "Christopher", "Daniel", "Matthew", "Anthony", "Andrew", "Joshua", "Kenneth",
        "Steven", "Edward", "Benjamin", "Samuel", "Gregory", "Alexander", "Patrick", "Nicholas",
        "Jonathan", "Stephen", "Timothy", "Henry", "Oliver",
    ],
    families: &[
        "Smith", "Johnson", "Williams", "Brown", "Jones", "Miller", "Davis", "Wilson", "Anderson",
        "Taylor", "Thomas", "Moore", "Jackson", "Martin", "Thompson", "White", "Harris", "Clark",
        "Lewis", "Robinson", "Walker", "Young", "Allen", "King", "Wright", "Scott", "Hill", "Green",
        "Adams", "Baker", "Nelson", "Hall", "Campbell", "Mitchell", "Carter", "Roberts", "Phillips",
        "Evans", "Turner", "Parker", "Edwards", "Collins", "Stewart", "Morris", "Murphy", "Cook",
        "Rogers", "Cooper", "Peterson", "Bailey", "Reed", "Kelly", "Howard", "Ward", "Watson",
        "Brooks", "Bennett", "Wood", "Price", "O'Connor", "McDonald", "Fitzgerald",
    ],
};

/// Names of Spanish origin.
const SPANISH: Origin = Origin {
    female: &[
        "María", "Carmen", "Lucía", "Sofía", "Isabel", "Elena", "Ana", "Rosa", "Pilar", "Teresa",
        "Gabriela", "Valentina", "Camila", "Daniela", "Alejandra", "Beatriz", "Inés", "Verónica",
        "Adriana", "Guadalupe", "Mónica", "Raquel", "Silvia", "Yolanda",
    ],
    male: &[
        "José", "Juan", "Luis", "Carlos", "Miguel", "Jesús", "Francisco", "Antonio", "Manuel",
        "Pedro", "Alejandro", "Javier", "Fernando", "Sergio", "Ramón", "Andrés", "Raúl", "Eduardo",
        "Óscar", "Diego", "Mateo", "Rubén", "Héctor", "Joaquín",
    ],
    families: &[
        "García", "Martínez", "Rodríguez", "López", "Hernández", "González", "Pérez", "Sánchez",
        "Ramírez", "Torres", "Flores", "Rivera", "Gómez", "Díaz", "Cruz", "Morales", "Reyes",
        "Gutiérrez", "Ortiz", "Ramos", "Chávez", "Ruiz", "Álvarez", "Mendoza", "Vásquez",
        "Castillo", "Jiménez", "Moreno", "Romero", "Herrera", "Medina", "Aguilar", "Vargas",
        "Castro", "Guzmán", "Muñoz", "Núñez", "Peña", "García Lorca", "Ortega y Gasset",
    ],
};

/// Names of German origin.
const GERMAN: Origin = Origin {
    female: &[
        "Anna", "Lena", "Katharina", "Sabine", "Ursula", "Monika", "Petra", "Claudia", "Birgit",
        "Ingrid", "Heike", "Anne-Marie", "Greta", "Johanna", "Klara", "Frieda", "Helga", "Renate",
        "Brigitte", "Annelie",
    ],
    male: &[
        "Hans", "Peter", "Wolfgang", "Klaus", "Jürgen", "Dieter", "Günter", "Uwe", "Bernd", "Jörg",
        "Stefan", "Matthias", "Florian", "Lukas", "Felix", "Maximilian", "Sebastian", "Tobias",
        "Friedrich", "Heinrich",
    ],
    families: &[
        "Müller", "Schmidt", "Schneider", "Fischer", "Weber", "Meyer", "Wagner", "Becker", "Schulz",
        "Hoffmann", "Schäfer", "Koch", "Bauer", "Richter", "Klein", "Wolf", "Schröder", "Neumann",
        "Schwarz", "Zimmermann", "Braun", "Krüger", "Hofmann", "Hartmann", "Lange", "Schmitt",
        "Werner", "Krause", "Köhler", "Maier", "Lehmann", "Huber", "Fuchs", "Jäger", "Weiß", "Groß",
        "von Berg",
    ],
};

/// Names of French origin.
const FRENCH: Origin = Origin {
    female: &[
        "Marie", "Camille", "Chloé", "Léa", "Manon", "Inès", "Juliette", "Hélène", "Françoise",
        "Monique", "Nathalie", "Sylvie", "Céline", "Aurélie", "Élodie", "Amélie", "Margot",
        "Noémie", "Océane", "Zoé",
    ],
    male: &[
        "Jean", "Pierre", "Michel", "Philippe", "Alain", "Nicolas", "Julien", "François", "Étienne",
        "Frédéric", "Sébastien", "Jérôme", "Benoît", "Antoine", "Guillaume", "Mathieu", "Luc",
        "Rémi", "Thibault", "Gaël",
    ],
    families: &[
        "Martin", "Bernard", "Dubois", "Robert", "Petit", "Durand", "Leroy", "Moreau", "Simon",
        "Laurent", "Lefebvre", "Michel", "Bertrand", "Roux", "Vincent", "Fournier", "Morel",
        "Girard", "André", "Mercier", "Dupont", "Lambert", "Bonnet", "François", "Martinez",
        "Legrand", "Garnier", "Faure", "Rousseau", "Blanc", "Guérin", "Perrin", "Lévêque",
        "Béranger", "de La Tour", "Le Gall",
    ],
};

/// Names of Polish origin.
const POLISH: Origin = Origin {
    female: &[
        "Agnieszka", "Katarzyna", "Małgorzata", "Joanna", "Magdalena", "Barbara", "Ewa", "Zofia",
        "Hanna", "Maja", "Aleksandra", "Paulina", "Natalia", "Karolina", "Bożena", "Grażyna",
        "Danuta", "Jolanta",
    ],
    male: &[
        "Andrzej", "Krzysztof", "Stanisław", "Tomasz", "Paweł", "Jan", "Marcin", "Michał", "Jakub",
        "Adam", "Łukasz", "Piotr", "Grzegorz", "Józef", "Zbigniew", "Wojciech", "Mateusz",
        "Bartosz",
    ],
    families: &[
        "Nowak", "Kowalski", "Wiśniewski", "Wójcik", "Kowalczyk", "Kamiński", "Lewandowski",
        "Zieliński", "Szymański", "Woźniak", "Dąbrowski", "Kozłowski", "Jankowski", "Mazur",
        "Wojciechowski", "Kwiatkowski", "Krawczyk", "Kaczmarek", "Piotrowski", "Grabowski",
        "Pawłowski", "Michalski", "Zając", "Król",
    ],
};

/// Names of Turkish origin.
const TURKISH: Origin = Origin {
    female: &[
        "Ayşe", "Fatma", "Emine", "Hatice", "Zeynep", "Elif", "Meryem", "Şerife", "Zehra", "Sultan",
        "Hanife", "Merve", "Büşra", "Esra", "Özlem", "Gül", "Gülsüm", "Ceren",
    ],
    male: &[
        "Mehmet", "Mustafa", "Ahmet", "Ali", "Hüseyin", "Hasan", "İbrahim", "Osman", "Yusuf",
        "Murat", "Ömer", "Ramazan", "Emre", "Burak", "Çağlar", "Uğur", "Serkan", "Kemal",
    ],
    families: &[
        "Yılmaz", "Kaya", "Demir", "Şahin", "Çelik", "Yıldız", "Yıldırım", "Öztürk", "Aydın",
        "Özdemir", "Arslan", "Doğan", "Kılıç", "Aslan", "Çetin", "Kara", "Koç", "Kurt", "Özkan",
        "Şimşek", "Polat", "Korkmaz", "Güneş", "Erdoğan",
    ],
};

/// Names of Vietnamese origin.
const VIETNAMESE: Origin = Origin {
    female: &[
        "Linh", "Lan", "Hương", "Mai", "Thảo", "Trang", "Ngọc", "Hoa", "Phương", "Yến", "Nga",
        "Hạnh", "Thu", "Vy", "Quỳnh", "Diệp",
    ],
    male: &[
        "Minh", "Hùng", "Dũng", "Tuấn", "Quang", "Hải", "Long", "Nam", "Phúc", "Khánh", "Bảo",
        "Đức", "Thành", "Sơn", "Vinh", "Trung",
    ],
    families: &[
        "Nguyễn", "Trần", "Lê", "Phạm", "Huỳnh", "Phan", "Vũ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô",
        "Dương", "Lý", "Đinh", "Võ",
    ],
};

/// Names of Indian origin.
const INDIAN: Origin = Origin {
    female: &[
        "Priya", "Ananya", "Aishwarya", "Kavita", "Sunita", "Lakshmi", "Meera", "Pooja", "Divya",
        "Neha", "Shreya", "Radha", "Anjali", "Deepika", "Geeta", "Nisha", "Asha", "Usha",
    ],
    male: &[
        "Rajesh", "Amit", "Sanjay", "Vijay", "Arjun", "Rahul", "Suresh", "Ramesh", "Anil", "Ravi",
        "Krishna", "Vikram", "Aditya", "Rohan", "Manoj", "Prakash", "Harish", "Karthik",
    ],
    families: &[
        "Patel", "Sharma", "Singh", "Kumar", "Gupta", "Reddy", "Mehta", "Iyer", "Nair", "Rao",
        "Desai", "Joshi", "Agarwal", "Chatterjee", "Banerjee", "Mukherjee", "Kapoor", "Malhotra",
        "Verma", "Pillai", "Menon", "Bose", "Krishnan", "Srinivasan",
    ],
};

/// Names of Nordic origin.
const NORDIC: Origin = Origin {
    female: &[
        "Ingrid", "Astrid", "Sigrid", "Freja", "Karin", "Kristín", "Åse", "Solveig", "Linnea",
        "Ebba", "Maja", "Annika", "Birgitta", "Märta", "Signe", "Tuuli", "Aino", "Guðrún",
    ],
    male: &[
        "Lars", "Erik", "Anders", "Olav", "Bjørn", "Sven", "Nils", "Magnus", "Håkan", "Göran",
        "Øystein", "Søren", "Jørgen", "Mikkel", "Eero", "Björn", "Ståle", "Leif",
    ],
    families: &[
        "Hansen", "Johansen", "Olsen", "Larsen", "Andersen", "Pedersen", "Nilsen", "Johansson",
        "Andersson", "Karlsson", "Nilsson", "Eriksson", "Lindström", "Sjöberg", "Bergström",
        "Åkesson", "Sørensen", "Jørgensen", "Møller", "Korhonen", "Virtanen", "Mäkinen",
        "Lindqvist", "Ødegård",
    ],
};

/// Names of Chinese origin.
const CHINESE: Origin = Origin {
    female: &[
        "Mei", "Ling", "Xiu", "Hui", "Fang", "Yan", "Jing", "Li", "Na", "Min", "Xia", "Qing", "Yun",
        "Lan", "Juan", "Ying",
    ],
    male: &[
        "Wei", "Jun", "Ming", "Hao", "Jian", "Lei", "Tao", "Feng", "Bo", "Chen", "Gang", "Long",
        "Peng", "Qiang", "Yong", "Kai",
    ],
    families: &[
        "Wang", "Li", "Zhang", "Liu", "Chen", "Yang", "Huang", "Zhao", "Wu", "Zhou", "Xu", "Sun",
        "Ma", "Zhu", "Hu", "Guo", "He", "Lin", "Gao", "Luo",
    ],
};

/// Cities.
pub(crate) static CITIES: [City; 40] = [
    city("Albany", "NY", 518, 12_201),
    city("Ann Arbor", "MI", 734, 48_103),
    city("Asheville", "NC", 828, 28_801),
    city("Austin", "TX", 512, 73_301),
    city("Baltimore", "MD", 410, 21_201),
    city("Boise", "ID", 208, 83_701),
    city("Boston", "MA", 617, 2_108),
    city("Boulder", "CO", 303, 80_301),
    city("Burlington", "VT", 802, 5_401),
    city("Cañon City", "CO", 719, 81_212),
    city("Charleston", "SC", 843, 29_401),
    city("Chicago", "IL", 312, 60_601),
    city("Columbus", "OH", 614, 43_201),
    city("Des Moines", "IA", 515, 50_301),
    city("Española", "NM", 505, 87_532),
    city("Fort Worth", "TX", 817, 76_101),
    city("Green Bay", "WI", 920, 54_301),
    city("Hartford", "CT", 860, 6_101),
    city("Kansas City", "MO", 816, 64_101),
    city("Lincoln", "NE", 402, 68_501),
    city("Louisville", "KY", 502, 40_201),
    city("Madison", "WI", 608, 53_701),
    city("Memphis", "TN", 901, 38_101),
    city("Minneapolis", "MN", 612, 55_401),
    city("New Haven", "CT", 203, 6_501),
    city("Oakland", "CA", 510, 94_601),
    city("Omaha", "NE", 402, 68_101),
    city("Pittsburgh", "PA", 412, 15_201),
    city("Portland", "OR", 503, 97_201),
    city("Providence", "RI", 401, 2_901),
    city("Rochester", "NY", 585, 14_601),
    city("Sacramento", "CA", 916, 94_203),
    city("Salt Lake City", "UT", 801, 84_101),
    city("San José", "CA", 408, 95_101),
    city("Savannah", "GA", 912, 31_401),
    city("Spokane", "WA", 509, 99_201),
    city("St. Louis", "MO", 314, 63_101),
    city("Tacoma", "WA", 253, 98_401),
    city("Tucson", "AZ", 520, 85_701),
    city("Winston-Salem", "NC", 336, 27_101),
];

const fn city(
    name: &'static str,
    state: &'static str,
    area_code: u16,
    first_postal_code: u32,
) -> City {
    City {
        name,
        state,
        area_code,
        first_postal_code,
    }
}

/// Street names without their kind.
pub(crate) const STREETS: &[&str] = &[
        "Maple", "Oak", "Cedar", "Elm", "Pine", "Birch", "Walnut", "Chestnut", "Willow", "Magnolia",
        "Main", "Church", "Mill", "Park", "Lake", "River", "Hill", "Spring", "Meadow", "Forest",
        "Sunset", "Highland", "Prospect", "Franklin", "Washington", "Jefferson", "Lincoln",
        "Madison", "Jackson", "Adams", "Grant", "Harrison", "Clinton", "Monroe", "Liberty", "Union",
        "Market", "Bridge", "Railroad", "College", "School", "Garden", "Orchard", "Valley", "Ridge",
        "Summit", "Fairview", "Lakeview", "Riverside", "Hillcrest", "Martin Luther King",
        "Old Post", "Saint Andrews", "Cottonwood", "Juniper", "Cherry", "Laurel", "Dogwood",
        "Sycamore", "Hawthorne", "Kings", "Queens", "Mission", "Delancey", "Beacon",
    ];

/// Kinds of streets.
pub(crate) const STREET_KINDS: &[&str] = &[
        "Street", "Avenue", "Road", "Drive", "Lane", "Court", "Place", "Boulevard", "Terrace",
        "Way",
    ];

/// Hosts reserved for examples (RFC 2606).
pub(crate) const EMAIL_HOSTS: &[&str] = &[
        "example.com", "example.net", "example.org", "mail.example.com", "post.example.net",
        "inbox.example.org",
    ];

/// What people with these given names are called.
pub(crate) const NICKNAMES: &[(&str, &[&str])] = &[
    ("Katherine", &["Kate", "Katie", "Kathy"]),
    ("Catherine", &["Cathy", "Kate"]),
    ("Elizabeth", &["Liz", "Beth", "Betty"]),
    ("Margaret", &["Maggie", "Peggy", "Meg"]),
    ("Rebecca", &["Becky"]),
    ("Victoria", &["Vicky"]),
    ("Jennifer", &["Jen", "Jenny"]),
    ("Jessica", &["Jess"]),
    ("Susan", &["Sue"]),
    ("Deborah", &["Debbie"]),
    ("Patricia", &["Pat", "Trish"]),
    ("Christine", &["Chris"]),
    ("Barbara", &["Barb"]),
    ("Dorothy", &["Dot"]),
    ("Samantha", &["Sam"]),
    ("Stephanie", &["Steph"]),
    ("Abigail", &["Abby"]),
    ("James", &["Jim", "Jimmy"]),
    ("Robert", &["Bob", "Rob"]),
    ("John", &["Jack", "Johnny"]),
    ("Michael", &["Mike"]),
    ("William", &["Bill", "Will"]),
    ("David", &["Dave"]),
    ("Richard", &["Rick", "Dick"]),
    ("Joseph", &["Joe"]),
    ("Thomas", &["Tom"]),
    ("Charles", &["Charlie", "Chuck"]),
    ("Christopher", &["Chris"]),
    ("Daniel", &["Dan"]),
    ("Matthew", &["Matt"]),
    ("Anthony", &["Tony"]),
    ("Andrew", &["Andy"]),
    ("Joshua", &["Josh"]),
    ("Kenneth", &["Ken"]),
    ("Steven", &["Steve"]),
    ("Stephen", &["Steve"]),
    ("Edward", &["Ed", "Ted"]),
    ("Benjamin", &["Ben"]),
    ("Samuel", &["Sam"]),
    ("Gregory", &["Greg"]),
    ("Alexander", &["Alex"]),
    ("Patrick", &["Pat"]),
    ("Nicholas", &["Nick"]),
    ("Jonathan", &["Jon"]),
    ("Timothy", &["Tim"]),
    ("Henry", &["Harry"]),
    ("José", &["Pepe"]),
    ("Francisco", &["Paco"]),
    ("Alejandro", &["Alex"]),
    ("Guadalupe", &["Lupe"]),
    ("María", &["Mari"]),
    ("Katharina", &["Kathi"]),
    ("Johanna", &["Hanna"]),
    ("Maximilian", &["Max"]),
    ("Sebastian", &["Basti"]),
    ("Friedrich", &["Fritz"]),
    ("Aleksandra", &["Ola"]),
    ("Małgorzata", &["Gosia"]),
    ("Katarzyna", &["Kasia"]),
    ("Agnieszka", &["Aga"]),
    ("Krzysztof", &["Krzysiek"]),
    ("Joanna", &["Asia"]),
];
