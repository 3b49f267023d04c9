"""What made-up passwords are made of: words, names, endings, written down by hand.

Not taken from any shipped list, so that a list cannot be judged by itself.
"""

# ruff: noqa: E501, SIM905 - lists of words read best as words

from __future__ import annotations

BASES = ["password", "passw0rd", "welcome", "admin", "administrator", "login", "letmein", "master", "dragon", "monkey", "shadow", "sunshine", "princess", "football", "baseball", "superman", "batman", "trustno1", "iloveyou", "qwerty", "starwars", "whatever", "freedom", "hello", "hunter", "killer", "soccer", "hockey", "charlie", "computer", "internet", "secret", "summer", "winter", "flower", "ginger", "cookie", "cheese", "banana", "orange", "purple", "silver", "golden", "diamond", "angel", "butterfly", "chocolate", "pepper", "buster", "tigger", "snoopy", "pokemon", "naruto", "minecraft", "liverpool", "arsenal", "chelsea", "barcelona", "realmadrid", "yankees", "lakers", "steelers", "cowboys", "ferrari", "porsche", "mercedes", "corvette", "mustang", "harley", "yamaha", "toyota", "samsung", "google", "facebook", "microsoft", "windows", "iphone", "samsung1", "matrix", "phoenix", "falcon", "eagle", "tiger", "lion", "wolf", "panther", "jaguar", "bulldog", "rabbit", "turtle", "guitar", "piano", "music", "rockstar", "metallica", "nirvana", "eminem", "slipknot", "thunder", "lightning", "storm", "rainbow", "crystal", "magic", "wizard", "merlin", "gandalf", "frodo", "yoda", "vader", "jedi", "spartan", "warrior", "knight", "ninja", "samurai", "pirate", "cowboy", "soldier", "marine", "captain", "colorado", "texas", "california", "london", "paris", "berlin", "chicago", "boston", "dallas", "phoenix", "denver", "austin", "america", "canada", "australia", "changeme", "default", "guest", "access", "server", "oracle", "cisco", "router", "system", "network", "support", "service", "office", "company", "manager", "test", "testing", "tester", "user", "root", "temp", "security", "hacker", "gamer", "player", "lover", "sweet", "honey", "baby", "sugar", "candy", "peanut", "buddy", "daddy", "mommy", "jesus", "christ", "heaven", "blessed", "faith", "family", "friend", "forever", "together", "happy", "smile"]

WORDS = ["about", "above", "across", "action", "after", "again", "agent", "almost", "always", "animal", "answer", "apple", "april", "arrow", "autumn", "battle", "beach", "bear", "beautiful", "before", "behind", "better", "big", "bird", "black", "blood", "blue", "board", "boat", "body", "book", "bottle", "bread", "bridge", "bright", "brother", "brown", "building", "burger", "butter", "button", "camera", "camping", "candle", "cannon", "castle", "cat", "chain", "chair", "change", "chicken", "child", "church", "circle", "city", "clean", "clear", "clock", "cloud", "coffee", "cold", "color", "cool", "copper", "corner", "country", "cross", "dance", "dark", "daughter", "day", "deep", "desert", "dirty", "doctor", "dog", "door", "dream", "drink", "driver", "early", "earth", "east", "easy", "electric", "empty", "energy", "evening", "every", "eye", "face", "fast", "father", "field", "fire", "fish", "flag", "flight", "floor", "fly", "forest", "fox", "frozen", "fruit", "funny", "game", "garden", "gate", "ghost", "giant", "girl", "glass", "gold", "good", "grand", "grass", "great", "green", "ground", "gun", "hair", "hammer", "hand", "hard", "head", "heart", "heavy", "hill", "home", "horse", "hot", "house", "human", "hungry", "ice", "iron", "island", "jacket", "job", "journey", "jump", "jungle", "key", "kid", "king", "kitchen", "knife", "ladder", "lake", "large", "laser", "last", "laugh", "leader", "leaf", "left", "lemon", "letter", "level", "life", "light", "little", "living", "lonely", "long", "lost", "love", "lucky", "lunch", "machine", "mad", "man", "map", "market", "marble", "mean", "meat", "metal", "middle", "milk", "mind", "mirror", "money", "moon", "morning", "mother", "mountain", "mouse", "movie", "nature", "never", "new", "night", "noble", "noise", "north", "number", "ocean", "office", "old", "open", "outside", "over", "paper", "party", "pencil", "people", "phone", "photo", "picture", "pilot", "pink", "pizza", "planet", "plant", "plastic", "play", "pocket", "point", "police", "pool", "power", "pretty", "prison", "queen", "question", "quick", "quiet", "radio", "rain", "ready", "red", "rice", "right", "river", "road", "robot", "rock", "room", "rose", "round", "royal", "sad", "safe", "salt", "sand", "school", "sea", "season", "second", "sharp", "shirt", "shoe", "short", "silent", "single", "sister", "skull", "sky", "sleep", "slow", "small", "smart", "smoke", "snake", "snow", "soft", "south", "space", "special", "speed", "spider", "spirit", "spring", "square", "star", "station", "steel", "stone", "street", "strong", "student", "sun", "super", "sword", "table", "tall", "teacher", "team", "thing", "time", "tower", "town", "train", "travel", "tree", "truck", "true", "turn", "ugly", "uncle", "under", "valley", "video", "village", "voice", "walk", "wall", "war", "warm", "water", "wave", "west", "white", "wild", "wind", "window", "wine", "winner", "wolf", "woman", "wonder", "wood", "work", "world", "yellow", "young", "zebra", "zero"]

NAMES = ["james", "mary", "john", "patricia", "robert", "jennifer", "michael", "linda", "william", "elizabeth", "david", "barbara", "richard", "susan", "joseph", "jessica", "thomas", "sarah", "charles", "karen", "christopher", "nancy", "daniel", "lisa", "matthew", "betty", "anthony", "margaret", "mark", "sandra", "donald", "ashley", "steven", "kimberly", "paul", "emily", "andrew", "donna", "joshua", "michelle", "kenneth", "carol", "kevin", "amanda", "brian", "melissa", "george", "deborah", "edward", "stephanie", "ronald", "rebecca", "timothy", "laura", "jason", "sharon", "jeffrey", "cynthia", "ryan", "kathleen", "jacob", "amy", "gary", "angela", "nicholas", "anna", "eric", "brenda", "jonathan", "pamela", "stephen", "emma", "larry", "nicole", "justin", "helen", "scott", "samantha", "brandon", "katherine", "benjamin", "christine", "samuel", "rachel", "gregory", "carolyn", "alexander", "janet", "frank", "maria", "patrick", "olivia", "raymond", "heather", "jack", "diane", "dennis", "julie", "jerry", "sophia", "tyler", "victoria", "aaron", "isabella", "jose", "megan", "adam", "lauren", "nathan", "hannah", "henry", "grace", "douglas", "alice", "zachary", "julia"]

SURNAMES = ["smith", "johnson", "williams", "brown", "jones", "garcia", "miller", "davis", "rodriguez", "martinez", "hernandez", "lopez", "gonzalez", "wilson", "anderson", "thomas", "taylor", "moore", "jackson", "martin", "lee", "perez", "thompson", "white", "harris", "sanchez", "clark", "ramirez", "lewis", "robinson", "walker", "young", "allen", "king", "wright", "scott", "torres", "nguyen", "hill", "flores", "green", "adams", "nelson", "baker", "hall", "rivera", "campbell", "mitchell", "carter", "roberts", "kowalczyk", "lindqvist", "okonkwo", "haddad", "petrov", "yamada", "schneider", "fitzgerald", "oconnor", "vandenberg", "mwangi", "castellano"]

COMPANIES = ["acme", "initech", "umbrella", "globex", "contoso", "northwind", "fabrikam", "hooli", "vandelay", "stark", "wayne", "cyberdyne", "tyrell", "soylent", "blueharbor", "quickcart", "greenleaf", "mapleworks", "skyforge", "payfast", "healthbridge", "learnly", "shopwise", "travelio"]

PHRASES = ["iloveyou", "iloveu", "letmein", "letmeinnow", "opensesame", "thisismypassword", "mypassword", "ihatepasswords", "ilovemydog", "ilovemymom", "ilovejesus", "jesusislord", "godisgood", "godisgreat", "fuckyou", "imsosexy", "hellokitty", "helloworld", "goodmorning", "goodnight", "bemine", "catchmeifyoucan", "maytheforcebewithyou", "tobeornottobe", "correcthorsebatterystaple", "onceuponatime", "happybirthday", "merrychristmas", "trustnoone", "whoareyou", "howareyou", "nevergiveup", "livelaughlove", "carpediem", "hakunamatata", "justdoit", "yeswecan", "lovelife", "mysecretpassword", "passwordpassword", "keepcalm", "staywithme", "comeonin", "enteriamroot", "iamgod", "iamthebest", "youareawesome", "ilovecats", "ilovefootball", "ilovepizza", "iloveparis", "loveyouforever", "mybestfriend", "mynameisjohn", "changethispassword", "thequickbrownfox"]

# Ordinary words, names and places of languages for which a word pack is shipped, written without marks.
REGIONAL = {
    "de": """passwort hallo schatz liebe sommer fussball deutschland bayern muenchen hamburg geheim willkommen mutter
        vater bruder schwester freund freundin hund katze blume sonne mond sterne himmel wasser feuer garten haus schule
        arbeit urlaub zusammen immer familie kinder tochter schmetterling engel prinzessin kaffee kuchen brot kartoffel
        stefan wolfgang juergen andreas sabine katharina heinrich matthias schnecke mausi""",
    "es": """contrasena hola amor teamo corazon estrella amigo amiga familia futbol espana mexico madrid princesa cielo
        hermosa hermano madre padre perro gato flores verano invierno playa trabajo escuela casa dinero siempre juntos
        felicidad libertad chocolate naranja manzana mariposa guapa carlos alejandro fernando guadalupe esperanza javier
        miguel francisco ramirez secreto bienvenido cumpleanos""",
    "fr": """motdepasse bonjour soleil amour jetaime chouchou doudou coucou loulou france paris marseille lyon maman papa
        famille ami amie chien chat fleur etoile lune ciel maison ecole travail vacances chocolat fromage bonheur liberte
        papillon princesse nicolas francois philippe camille juliette antoine mathilde secret bienvenue toujours ensemble
        voiture musique football cheval""",
    "it": """ciao amore tiamo stella juventus milan napoli roma italia cuore mamma bella bambina famiglia amico fratello
        sorella cane gatto fiore sole luna cielo casa scuola lavoro vacanze cioccolato formaggio felice liberta farfalla
        principessa giuseppe francesco alessandro giovanni valentina chiara segreto benvenuto sempre insieme macchina
        musica calcio cavallo""",
    "nl": """wachtwoord hallo welkom liefde schatje zomer voetbal nederland amsterdam feyenoord moeder vader broer zus
        vriend vriendin hond poes bloem zon maan ster hemel water vuur tuin huis school werk vakantie samen altijd familie
        kinderen dochter vlinder engel prinses koffie kaas brood geheim willem hendrik sander marieke""",
    "pl": """haslo kochanie misiek polska warszawa krakow mama tata brat siostra przyjaciel pies kotek kwiatek slonce
        ksiezyc gwiazda niebo woda ogien ogrod szkola praca wakacje razem zawsze rodzina dzieci motyl aniolek kawa piwo
        tajne agnieszka katarzyna krzysztof tomasz mateusz zuzanna michal dupa wisla legia""",
    "pt": """senha amor flamengo corinthians brasil portugal lisboa coracao estrela amigo familia futebol princesa
        querida irmao cachorro gato flores verao inverno praia trabalho escola dinheiro sempre juntos felicidade liberdade
        borboleta joao fernanda gabriel rafael mariana jesus segredo benfica saudade palmeiras santos""",
    "cs": """heslo ahoj laska milacek praha cesko sparta slavia maminka tatinek bratr sestra kamarad pejsek kocka kytka
        slunce mesic hvezda nebe voda ohen zahrada skola prace dovolena spolu vzdycky rodina motylek andilek kava pivo
        martina tomas jakub katerina veronika""",
    "fi": """salasana perkele rakkaus suomi helsinki aurinko kissa koira talvi kesa jaakiekko mokki sauna olut kahvi
        ystava perhe poika tytto kukka kuu taivas vesi tuli puutarha koulu loma yhdessa aina perhonen enkeli prinsessa
        mikko juhani hannele johanna""",
    "id": """sayang rahasia cinta indonesia jakarta bandung katasandi bismillah selamat keluarga teman anjing kucing
        bunga matahari bulan bintang langit rumah sekolah kerja liburan bersama selalu ganteng cantik bahagia merdeka
        persib garuda malam pagi budi dewi agus""",
}

USERS = [
    {
        "names": ("Zoe", "Lindqvist"),
        "username": "zlindqvist",
        "email": "zoe.lindqvist@northwind.example",
        "born": 1987,
    },
    {"names": ("Marek", "Kowalczyk"), "username": "marekk", "email": "m.kowalczyk@wp.example", "born": 1979},
    {
        "names": ("Adaeze", "Okonkwo"),
        "username": "adaeze_o",
        "email": "adaeze.okonkwo@lagostech.example",
        "born": 1994,
    },
    {"names": ("Yuki", "Tanabe"), "username": "yukitan", "email": "yuki_tanabe@kaito.example", "born": 1991},
    {
        "names": ("Fionnuala", "Gallagher"),
        "username": "fionng",
        "email": "f.gallagher@dublinbay.example",
        "born": 1968,
    },
    {
        "names": ("Thiago", "Albuquerque"),
        "username": "thialbu",
        "email": "thiago@albuquerque.example",
        "born": 2001,
    },
    {
        "names": ("Svenja", "Rautenberg"),
        "username": "svenja.r",
        "email": "svenja.rautenberg@elbwerk.example",
        "born": 1983,
    },
    {
        "names": ("Priya", "Raghunathan"),
        "username": "priyar88",
        "email": "priya.r@chennaisoft.example",
        "born": 1988,
    },
    {
        "names": ("Dmitri", "Volkonsky"),
        "username": "dvolkonsky",
        "email": "dmitri.volkonsky@neva.example",
        "born": 1975,
    },
    {
        "names": ("Giulia", "Bernasconi"),
        "username": "giuber",
        "email": "giulia.bernasconi@ticinonet.example",
        "born": 1996,
    },
    {"names": ("Hamish", "McTavish"), "username": "hmctavish", "email": "hamish@mctavish.example", "born": 1959},
    {"names": ("Ngozi", "Eze"), "username": "ngozieze", "email": "ngozi.eze@enugu.example", "born": 1999},
]

DIGITS = (
    ["1", "12", "123", "1234", "12345", "123456", "01", "007", "11", "22", "69", "77", "88", "99", "00", "21", "23", "10", "13", "42", "100", "101", "111", "321", "420", "666", "777", "911"]
)
SYMBOLS = ["!", "!", "!", "!", ".", ".", "@", "@", "#", "#", "$", "*", "?", "_", "-", "!!", "&", "+", "%", "=", "!?", "~", "!@", "!@#", "!!!", "**", "##", ".."]
SEPARATORS = ["", "", "", "-", "_", ".", " ", "@", "#", "&", "+", "!", "1", "2", "4", "123"]
L33T = {
    "a": "4@",
    "b": "8",
    "e": "3",
    "g": "9",
    "i": "1!",
    "l": "1|",
    "o": "0",
    "s": "5$",
    "t": "7+",
    "z": "2",
    "c": "(",
}
SEASONS = ["spring", "summer", "autumn", "winter", "fall", "january", "february", "march", "april", "june", "july", "august", "september", "october", "november", "december", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "easter", "christmas", "halloween", "fruehling", "sommer", "herbst", "winter", "januar", "februar", "maerz", "juni", "juli", "oktober", "dezember", "montag", "dienstag", "freitag", "sonntag", "primavera", "verano", "otono", "invierno", "enero", "febrero", "julio", "agosto", "septiembre", "lunes", "viernes", "printemps", "hiver", "janvier", "fevrier", "juillet", "decembre", "lundi", "vendredi", "dimanche", "automne", "estate", "autunno", "inverno", "gennaio", "luglio", "settembre", "lunedi", "domenica", "zomer", "herfst", "lente", "januari", "maandag", "zaterdag"]
