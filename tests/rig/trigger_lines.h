/* trigger_lines.h - the part of test_serial_rig that fires over lines. */
#ifndef MP_TEST_TRIGGER_LINES_H
#define MP_TEST_TRIGGER_LINES_H

/* How many checks failed. device is a port that can be opened, with lines. */
int test_trigger_lines(const char *device);

#endif
