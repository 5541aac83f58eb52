/*
 * Owns: 64 given names and 64 family names.
 * Invariant: see the header.
 * Thread: any, no state.
 * Does not know: who is called so.
 */
#include "bench/names.h"

#include <stdio.h>

static const char *const GIVEN[64] = {
	"Ada",	 "Aiko",   "Alma",  "Amir",  "Ana",   "Anton", "Arjun", "Aylin",
	"Bela",	 "Bruno",  "Carla", "Chen",  "Clara", "Dario", "Deniz", "Elif",
	"Emil",	 "Esra",   "Eun",   "Farid", "Felix", "Gia",   "Hana",  "Hugo",
	"Ida",	 "Imani",  "Ines",  "Ivan",  "Jae",   "Jonas", "Joon",  "Juno",
	"Kaito", "Karim",  "Kira",  "Lars",  "Leila", "Lena",  "Luca",  "Mara",
	"Marek", "Mei",	   "Mila",  "Nadia", "Nils",  "Noor",  "Olga",  "Omar",
	"Paul",	 "Petra",  "Priya", "Rafael", "Rosa", "Ruben", "Sami",  "Sara",
	"Seo",	 "Stefan", "Tara",  "Tomas", "Uma",   "Vera",  "Yara",  "Zoe",
};

static const char *const FAMILY[64] = {
	"Abe",	   "Adler",   "Ahn",	"Almeida", "Bauer",  "Berg",   "Bianchi", "Bose",
	"Brandt",  "Castro",  "Choi",	"Cohen",   "Costa",  "Demir",  "Diaz",	  "Dubois",
	"Egger",   "Endo",    "Falk",	"Farah",   "Fischer", "Gallo", "Garcia",  "Haas",
	"Haddad",  "Han",     "Hansen", "Horvat",  "Ito",    "Ivanova", "Jang",	  "Jensen",
	"Kaya",	   "Khan",    "Kim",	"Klein",   "Kowal",  "Kumar",  "Lang",	  "Larsen",
	"Lee",	   "Lopez",   "Maier",	"Mori",	   "Nagy",   "Novak",  "Okafor",  "Park",
	"Pereira", "Petrov",  "Rahman", "Rossi",   "Sato",   "Schmid", "Silva",	  "Singh",
	"Sokolov", "Tanaka",  "Torres", "Vogel",   "Weber",  "Wolf",   "Yilmaz",  "Zhang",
};

void name_make(uint32_t number, char *name, size_t bytes)
{
	/* 37 is odd, so number -> family stays one to one for each given name. */
	uint32_t given = number % 64, family = (number / 64 + given * 37) % 64;
	snprintf(name, bytes, "%s %s", GIVEN[given], FAMILY[family]);
}
