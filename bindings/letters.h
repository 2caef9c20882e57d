/* letters.h - letters as UTF-8, whatever the process's locale: records are written in that. */
#ifndef MP_LETTERS_H
#define MP_LETTERS_H

#include <locale.h>
#include <stddef.h>
#include <wchar.h>

/* From now on the C library's letters are UTF-8 in this thread, where the system has that;
 * gives what is to be set back with uselocale. */
locale_t mp_letters_begin(void);
/* Letters as text, to be freed; NULL: no memory. Meanwhile they are UTF-8. */
char *mp_letters_text(const wchar_t *letters, size_t count);

#endif
