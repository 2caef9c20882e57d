---@meta moonpulse.core
--- The functions of moonpulse.core: the engine for Lua (bindings/). What they make and take is in
--- core_plans.lua, core_device.lua and core_record.lua; those for many runs are in core_runs.lua, for
--- thresholds in core_threshold.lua, for a terminal in core_editor.lua. For editors and types_spec.lua.
--
-- How they fail: an argument of the wrong type or outside of its range is raised, as is what makes no sense
-- as a plan. What the world refuses comes back as nil, message, code, with code one of "invalid", "range",
-- "overflow", "memory", "io", "gone", "busy", "state", "unsupported", "limit". Only what does otherwise says
-- so here. Times named _ns are whole nanoseconds, on the monotonic clock if nothing else is said; other
-- times are seconds.

---@class moonpulse.core
---@field version string of Moonpulse: "1.2.0"
---@field commit string of the git checkout that it was built in, with a + where files differed from it; "":
---   it was no checkout
---@field compiler string "gcc 12.2.0"
---@field event_header string the header line of events.tsv, with its line end
---@field flight_spare integer records that a flight record needs beside those of the plan
---@field flight_most integer the most records that a flight record can have
---@field serial_fields moonpulse.core.SerialField[] what line settings may be
---@field plan_methods table<string, function> methods of plans: compose adds times, at, label and block
---@field heard table<integer, moonpulse.core.Heard> what becomes of a trigger, from 0
---@field stops moonpulse.core.StopReason[]|table<string, moonpulse.core.StopReason> the reasons to stop,
---   by number from 1 and by name; read only
local core = {}

-- Plans (bindings/plan.c, schedule.c, lowering.c): core_plans.lua

-- The loop (bindings/tasks.c, signals.c, input.c, process.c, pty.c) -----------------------------------

--- Call a function as a task and run the loop until it ends. Raises its error, or the first that a callback
--- or another task raised; also if it waits for what can never come, and inside of another run.
---@param call function
---@param ... any its arguments
---@return any ... its results
function core.run(call, ...) end

--- Another task; it starts in the loop's next turn. Its error is raised by core.run.
---@param call function
---@param ... any its arguments
---@return moonpulse.core.Task
function core.spawn(call, ...) end

--- Wait: until task:wake, or the time is over. Raises outside of a task, and if C called (sort, gsub).
---@param seconds number? 0 to 1e9, rounded up to milliseconds; nil: for a wake only
---@return boolean woken false: the time was over
---@return any ... what wake was given
function core.wait(seconds) end

--- The running task. Raises if there is none.
---@return moonpulse.core.Task
function core.current() end

--- From now on time is virtual for tasks, sessions and clock_ns. Raises if it is already, and if a
--- stimulator is armed.
---@param pace number times as fast as ours, 0 to 1e6; 0: as fast as can be
function core.go_virtual(pace) end

--- Back to the monotonic clock.
function core.go_real() end

--- Is time virtual? And how many times as fast as ours does it pass (0: as fast as can be)?
---@return boolean
---@return number pace
function core.is_virtual() end

--- Virtual time stands still, or goes on: something outside of it is waited for.
---@param still boolean
function core.hold(still) end

--- How often somebody went on since virtual time last moved: many times, and a script waits for no time.
---@return integer
function core.turns_here() end

--- Until time is real again, the sending thread wakes late, as the seed says: mostly far less than the most.
---@param seed integer
---@param most_ns integer
function core.be_late(seed, most_ns) end

--- In virtual time the sending thread, the loop or both get no turn for a while.
---@param who "sender"|"loop"|"both"
---@param from_ns integer monotonic
---@param until_ns integer
---@return boolean ok false: there are too many stalls
function core.stall(who, from_ns, until_ns) end

--- For how long of the time since then the loop did not look at what came from outside, because it was busy
--- or got no processor (10 ms and more at a time; of the last 32 times). Whoever judges that a device took
--- too long does not count that: see moonpulse.stimulator.patience.
---@param since_ns integer monotonic
---@return integer
function core.missed_ns(since_ns) end

--- How many tasks have not ended.
---@return integer
function core.tasks() end

--- A port with both ends in this process, for virtual time; raises in real time. session:open takes its path.
---@param link nil as of core.pty
---@param on_bytes fun(bytes: string, began_ns: integer) all of them have come; when the first began to
---@param on_line (fun(line: "rts"|"dtr"|"break", high: boolean, at_ns: integer))?
---@return moonpulse.core.Wire?
---@return string? message
---@return string? code
function core.wire(link, on_bytes, on_line) end

--- Call on a signal (SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP); what is armed was stopped before.
---@param call (fun(number: integer, by_ctl: true?))? by_ctl: moonpulse ctl sent it. nil: as before; one that
---   came and was not told is raised again
function core.on_signal(call) end

--- Start a program in a session of its own.
---@param options moonpulse.core.ProcessOptions
---@return moonpulse.core.Process?
---@return string? message
---@return string? code
function core.process(options) end

--- A pseudo-terminal whose other side is a serial port for programs.
---@param link string? a symbolic link to it is made there
---@param on_bytes fun(bytes: string, arrival_ns: integer, since_ns: integer) they were written
---   between since_ns, when the port was found empty, and arrival_ns, when they were read
---@return moonpulse.core.Pty?
---@return string? message
---@return string? code
function core.pty(link, on_bytes) end

-- A device (bindings/session.c) -----------------------------------------------------------------------

--- One device on the loop, not open yet. A callback that raises stops what is armed.
---@param events moonpulse.core.SessionEvents
---@return moonpulse.core.Session
function core.session(events) end

-- The record (bindings/flight.c, events.c, record_file.c, rows.c, evidence.c) -------------------------

--- Make the flight record of a run.
---@param path string made, or made anew
---@param capacity integer records, 1 to flight_most
---@param virtual boolean? for a run in virtual time: its pages are not prepared for a deadline
---@return moonpulse.core.Flight?
---@return string? message
---@return string? code
function core.flight(path, capacity, virtual) end

--- Read one.
---@param path string
---@return moonpulse.core.FlightReader?
---@return integer|string start_ns of the run; if it failed, the message
---@return integer|string wall_ns the same instant, since 1970; if it failed, the code, "busy": its run is
---   still going on
function core.flight_read(path) end

--- A line of events.tsv.
---@param row moonpulse.core.EventRow
---@return string
function core.event_row(row) end

--- The four columns of events.tsv that an action has, tabs between: event_row takes them as tail.
---@param channel string
---@param mso number %MSO as it was sent
---@param intensity number percent of reference, as it was planned
---@param reference "MSO"|"RMT"|"AMT"
---@return string
function core.event_action(channel, mso, intensity, reference) end

--- Make a folder that nobody but its owner may enter, whatever the umask. Made by root it is the owner's of
--- the folder that it lies in, as are files of create_file.
---@param path string
---@param group boolean? its group may read it
---@return boolean? made
---@return string? message
---@return string? code
function core.make_folder(path, group) end

--- A new file in place of what is there, never written through a link, as open to others as its folder is.
---@param path string
---@return file*? file as io.open gives it, for writing
---@return string? message
---@return string? code
function core.create_file(path) end

--- A line at the end of a file, in one write, so that of several programs at once each adds its own. The
--- file is made if it is not there; a link, and what is no regular file, is not written.
---@param path string
---@param line string without its end
---@return boolean? done
---@return string? message
---@return string? code
function core.append_line(path, line) end

--- What became of a file of create_file, all of it flushed. Nothing is returned for what is no regular file.
---@param file file*
---@param path string what it was made as
---@return integer? fd
---@return boolean? ours is it what path names?
---@return integer? lines -1: a part is nothing but zeros, as after a cut
---@return string? sum of what is there, as core.sum has it; nil: it cannot be read
function core.file_state(file, path) end

--- A file becomes as open to others as its folder is; if it cannot, nothing happens.
---@param path string
function core.as_folder(path) end

--- All of a regular file; what is none, or is longer, is refused.
---@param path string
---@param most integer bytes
---@return string? text
---@return string? message
---@return string? code
function core.read_file(path, most) end

--- The same file, open for who reads it part by part.
---@param path string
---@param most integer bytes
---@return file*?
---@return string? message
---@return string? code
function core.open_file(path, most) end

--- Lock a folder against other programs of ours, until the lock is closed.
---@param path string
---@param shared boolean? with others who only read
---@return moonpulse.core.FolderLock|false|nil lock false: somebody else has it
---@return string? message
---@return string? code
function core.lock_folder(path, shared) end

--- 16 hexadecimal digits that change with the text (FNV-1a): against damage, not against people.
---@param text string
---@return string
function core.checksum(text) end

--- From now on no file of this process grows any longer, as on a disk that is full: a write is cut short.
---@param bytes integer? nil: as far as the disk goes
---@return boolean ok
function core.most_file(bytes) end

--- A checksum of what is given to it piece by piece, for files of any length.
---@return moonpulse.core.Sum
function core.sum() end

--- The same of a file.
---@param path string
---@return string? text
---@return string? message
---@return string? code
function core.file_sum(path) end

--- SHA-256 of a text: 64 hexadecimal digits.
---@param text string
---@return string
function core.sha256_of(text) end

--- SHA-256 of what is given to it piece by piece.
---@return moonpulse.core.Sha256
function core.sha256() end

--- The lines of a tab-separated text. The iterator gives for each line row, rest, found: the numbers by their
--- keys; the other cells with the tabs between them, the same string if it is that of the line before;
--- bit i - 1 set if column i has its number. false for a line with another number of cells.
---@param text string
---@param at integer the byte to begin at, from 1
---@param columns (moonpulse.core.Column|boolean)[] 1 to 64; true: passed over; false: text
---@return fun(): table<string, number>|false|nil, string?, integer?
function core.rows(text, at, columns) end

--- The same of all lines at once.
---@param text string
---@param at integer
---@param columns (moonpulse.core.Column|boolean)[]
---@return table<string, (number|false)[]> lists by the keys of the columns; false: the line has no number
---@return integer[] kinds of each line: of one kind are those with the same rest and found
---@return table rests by kind
---@return integer[] found by kind
---@return integer bad lines with another number of cells
function core.row_lists(text, at, columns) end

--- Are two tab-separated texts the same, line by line, but for one cell of each?
---@param text string
---@param other string
---@param place integer of the cell, from 1
---@return boolean
function core.same_but(text, other, place) end

--- Have two tables the same pulses, in the ascending order of their numbers? False also where one of them is
--- no regular file, or has anything in it that no run writes: it may still have the same pulses then.
---@param path string
---@param other string
---@param header string the first line of both
---@param columns ("event"|"number"|"same"|"other")[] 1 to 64; number: of the pulse; same: must be the same,
---   byte for byte
---@return boolean
function core.same_pulses(path, other, header, columns) end

--- How many triggers there are of each byte and verdict, "other" left out, in the order of their first ones.
---@param bytes string
---@param heard string an index of core.heard for each
---@param from integer place from 1
---@param to integer place
---@return { byte: integer, heard: moonpulse.core.Heard, count: integer, first: integer, last: integer }[]
function core.trigger_sums(bytes, heard, from, to) end

--- Add how many bytes there are of each value.
---@param bytes string
---@param counts table<integer, integer> by value
function core.byte_counts(bytes, counts) end

--- Sort a list of numbers in place, the smallest first. An error, and nothing is changed: something in it is
--- no number.
---@param list number[]
function core.sort_numbers(list) end

--- How many rows of one table another one has not: rows are the same if they have the same in some columns,
--- of rows that are the same each counts. Rows without an end, or with another number of cells than their
--- header, are none.
---@param from string its first line is its header
---@param to string likewise
---@param names string[] of the columns; one that a table has not is empty in all its rows
---@return integer
function core.missing_rows(from, to, names) end

--- What events.tsv says of a run, for who judges it: read by its own reader, more strictly than by core.rows.
---@param text string
---@return moonpulse.core.LeftRow[] rows
---@return string? odd the first line after the header that is no row; nil: all are
function core.left_rows(text) end

--- What twin.tsv says of a run, for who judges it.
---@param text string
---@return { ns: integer, channel: string, mso: number? }[] given the pulses
---@return { ns: integer, event: string, bytes: string, note: string }[] log all else
function core.left_given(text) end

--- Can the lines of a tab-separated text be taken over as they are?
---@param text string
---@param at integer the byte to begin at, from 1
---@return boolean plain false: a line has no end, an empty cell, a carriage return, no number at its
---   beginning, or a smaller one than the line before
function core.plain_rows(text, at) end

--- Some of the lines of a tab-separated text, about 64 KiB, each with one more cell.
---@param text string
---@param at integer the byte to begin at, from 1
---@param cell string
---@return string? lines nil: there is no whole line there
---@return integer? next the byte to go on at
function core.with_cell(text, at, cell) end

-- How a run ends when a script does not let it (bindings/backstop.c, limited.c) -----------------------

--- What the loop thread is about, for the thread that ends a run that hangs. "run" begins one if none
--- goes on; with "script" the running coroutine can be interrupted.
---@param name "none"|"run"|"script"|"closing"|"closed"
---@param folder string? of the run: taken once
function core.phase(name, folder) end

--- The device is being asked whether it is disarmed, which has times of its own; or has answered.
---@param begins boolean
---@param disarmed boolean? it says so
function core.asks(begins, disarmed) end

--- What an interrupt raises, at an instruction whose source does not begin with ours.
---@param problem any
---@param ours string
function core.interrupts(problem, ours) end

--- From now on the running coroutine, and those that it makes, can be interrupted; or no longer.
---@param begins boolean
---@return string? place if begins is false: "file:line" of what was interrupted first
function core.interruptible(begins) end

--- In virtual time a script that does not yield is interrupted as ever, but the run is not stopped by that.
---@param whether boolean
function core.goes_on(whether) end

--- A stop began that the engine does not know of.
---@param reason string of core.stops; another name counts as "error"
function core.stop_began(reason) end

--- A file of the run's record is about to be written, and the disk may take its time; or it was.
---@param name "events.tsv"|"journal.jsonl"|"manifest.json"|"recover.json"|"sources"|"resolved.plan"|nil
function core.disk(name) end

--- The file of this run that the disk took too long for: the loop stood still meanwhile.
---@return string? path
function core.hung_file() end

--- Was output let go of because nobody took it?
---@return boolean
function core.muted() end

--- If standard error was let go of, try once more to say this there.
---@param text string
function core.last_words(text) end

--- Call with limits; calls inside of it share them. A C function that never returns ends the program.
---@param limits moonpulse.core.Limits
---@param call function
---@param ... any its arguments
---@return boolean ok
---@return any ... its results; if it failed, the problem, and true if a limit was passed
function core.limited(limits, call, ...) end

-- The host (bindings/system.c, latency.c) -------------------------------------------------------------

--- Now, in the world that tasks live in: the monotonic clock, or virtual time.
---@return integer
function core.clock_ns() end

--- Now, on the monotonic clock, whatever the world: how long work takes.
---@return integer
function core.real_ns() end

--- Now, since 1970.
---@return integer
function core.wall_ns() end

--- A seed from the system's entropy. Raises if it has none.
---@return integer 1 to 2^31 - 1
function core.random_seed() end

--- The draw that random rests and orders use: the same on every machine.
---@param seed integer
---@param position integer
---@param range integer from 0
---@return integer 0 to range
function core.draw(seed, position, range) end

--- The machine. Raises if the system does not say.
---@return { kernel: string, machine: string, cpus: integer, pid: integer } cpus that this process may use
function core.host() end

--- Ask for a real-time priority below the dispatcher's: for simulators.
---@return boolean granted
function core.prioritise() end

--- From now on the kernel keeps this process to so much time of the processor, memory beyond what it has, and
--- length of a file that it writes; a signal ends it there (of memory: there is no more).
---@param most { seconds: integer, megabytes: integer, file_megabytes: integer }
function core.confine(most) end

--- From now on the kernel starts no program for this thread and those that it makes, and opens no socket:
--- both fail. There is no way back.
---@return boolean done false: this kernel cannot
function core.shut_in() end

--- How long so many bytes are on the wire.
---@param serial moonpulse.Serial
---@param bytes integer
---@return integer ns
function core.wire_ns(serial, bytes) end

--- The home folder of whoever runs this program; under sudo of who called it.
---@return string?
function core.home() end

--- Columns of standard output; nil if it is no terminal.
---@return integer?
function core.terminal_width() end

--- Put text on the terminal without ever waiting; what it has no room for is dropped.
---@param text string
---@return boolean taken at least a part of it
function core.screen(text) end

--- The path of the running program. Raises if the system does not say.
---@return string
function core.executable() end

--- From now on nothing in this process is to be on time: the program's memory may come in pages of 2 MB,
--- which the kernel makes when it likes (engine/large_block.h). In stock Lua it changes little.
function core.large_pages() end

--- The host's serial ports.
---@return moonpulse.core.Port[]?
---@return string? message
---@return string? code
function core.ports() end

--- What the host grants a timing thread: asked by starting one for a moment.
---@return moonpulse.core.Grants?
---@return string? message
---@return string? code
function core.realtime_probe() end

--- May this process read and write a file? Asks without opening it, which moves a port's lines.
---@param path string
---@return boolean? nil: there is no such file
function core.may_open(path) end

--- Measure how late the host wakes a thread like the dispatcher's, beside the loop.
---@param seconds number
---@param period number seconds from wake to wake
---@return moonpulse.core.LatencyTest?
---@return string? message
---@return string? code
function core.latency_test(seconds, period) end

return core
