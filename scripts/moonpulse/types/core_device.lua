---@meta _
--- The loop and a device on it, of moonpulse.core. How they fail: see core.lua.

---@class moonpulse.core.Task userdata moonpulse.task
local Task = {}

--- Let it go on in the loop's next turn: its core.wait returns true and these.
---@param ... any
---@return boolean woken false: it was not waiting
function Task:wake(...) end

---@class moonpulse.core.Input userdata moonpulse.input
local Input = {}

--- The terminal is as it was before. Also at the end of its scope.
function Input:close() end

---@class moonpulse.core.ProcessOptions
---@field args string[] the program's path and its arguments, 1 to 256
---@field on_line fun(line: string) of its standard output, without the line end; cut at 512 bytes
---@field on_exit fun(status: integer, signal: integer)
---@field inherit boolean? it reads and writes where we do: on_line is never called

---@class moonpulse.core.Process userdata moonpulse.process
local Process = {}

--- Close its standard input: a simulator takes that as the end.
function Process:finish() end

--- End it with all that it started at once, whatever they do; on_exit tells when.
function Process:kill() end

--- End it with all that it started; it is told nothing more. Also at the end of its scope.
function Process:close() end

---@class moonpulse.core.Pty userdata moonpulse.pty
local Pty = {}

--- Bytes for whoever opened the other side.
---@param bytes string
---@return boolean? ok
---@return string? message
---@return string? code "io": nobody reads it
---@return integer? written so many of them there was room for, where it was not all
function Pty:write(bytes) end

--- Take what has come, as on_bytes gets it.
---@return string? bytes nil: nothing
---@return integer at_ns when they were read; of nothing: what comes later was not written before
---@return integer? since_ns of bytes: they were not written before
function Pty:look() end

--- From now on it is looked at every 2 ms too: since_ns, before which bytes were not written, is no older.
function Pty:watch() end

--- The other side.
---@return string path "/dev/pts/N"
function Pty:path() end

--- Also at the end of its scope.
function Pty:close() end

---@class moonpulse.core.Wire userdata moonpulse.wire
local Wire = {}

--- Bytes for whoever opened it.
---@param bytes string
---@return boolean? ok
---@return string? message
---@return string? code "io": nobody reads it
---@return integer? written so many of them there was room for, where it was not all
function Wire:write(bytes) end

--- The lines that come in at the near end are high, or low.
---@param cts boolean
---@param dsr boolean
---@param ri boolean? low without it, as cd
---@param cd boolean?
function Wire:inputs(cts, dsr, ri, cd) end

--- What goes wrong with the near end's next write, once.
---@param takes integer? it takes so many bytes at most; nil: all
---@param stall_ns integer? it returns so much later than they began to leave
function Wire:trouble(takes, stall_ns) end

--- The near end, for session:open.
---@return string path "wire:N"
function Wire:path() end

--- Also at the end of its scope.
function Wire:close() end

--- The short cut: from now on each frame does what steady says, and the engine answers it. For virtual time.
---@param steady moonpulse.Steady
---@param frame string
---@param where moonpulse.core.FarCut
---@return boolean began false: a reply of before is still on its way, or there are too many bytes
function Wire:steady(steady, frame, where) end

--- What was given so since it was asked last; steady says how the stimulator is.
---@param steady moonpulse.Steady
---@param ends boolean frames go the long way from here on, and the log has the lines of all that were given
---@return integer given pulses
---@return integer last_ns when the last of them was given (virtual time)
function Wire:passed(steady, ends) end

---@class moonpulse.core.FarCut
---@field wire_ns integer that a frame takes
---@field free_ns integer the wire is, from then on
---@field on_ns integer where the simulator's clock begins
---@field tail string a line of the log after its time
---@field log file* open until passed(steady, true)

---@class moonpulse.core.SessionEvents what a session calls
---@field on_bytes fun(bytes: string, arrival_ns: integer)
---@field on_outcome fun(outcome: moonpulse.core.Told)
---@field on_gone fun(message: string, which: "device"|"trigger") a port is lost
---@field on_triggers? fun(bytes: string, heard: string, times: integer|string, matched: integer) of a plan
---   that waits for triggers: what came, in order; heard: of each what became of it, an index of core.heard;
---   times: when it came, one integer for all, or a string of one for each ("j" of string.unpack); matched:
---   so many of them are not "other"
---@field on_untold? fun(sums: { byte: integer, heard: moonpulse.core.Heard, count: integer }[],
---   from_ns: integer, until_ns: integer) more came, too fast to be told; from the first to the last

---@alias moonpulse.core.Heard what became of a trigger
---| "starts" the plan starts with it
---| "other" not the byte that is waited for
---| "outside" before or after the time in which triggers count
---| "counted" one of those between: each n-th starts the plan
---| "window" too soon or too late after the trigger before it, or there was none
---| "gate" the line that lets triggers through was low
---| "busy" the plan was still going on
---| "refractory" too soon after the last start
---| "over" the plan was started as often as it may be

---@class moonpulse.core.Stopped an outcome: the safe frame was handed to the port
---@field what "stopped"
---@field stop string name in core.stops
---@field at_ns integer monotonic
---@field safe_sent boolean the port took all of it
---@field safes integer so many of them
---@field cut_ns integer? of what the device should have had from then on (monotonic, without its latency)
---   nobody knows whether it has it; nil: of nothing

---@class moonpulse.core.Other an outcome of no frame of the plan
---@field what "finished"|"oneoff"|"overdue" overdue: a reply that near() waits for has not come
---@field stop string? "none"

---@class moonpulse.core.Begun an outcome: a trigger has started a plan that waits for them
---@field what "begun"
---@field number integer which start of the plan it is
---@field start_ns integer what follows counts from it (monotonic)
---@field trigger_ns integer when the trigger came (monotonic)

--- What on_outcome is given.
---@alias moonpulse.core.Told moonpulse.Outcome|moonpulse.core.Stopped|moonpulse.core.Begun
---|moonpulse.core.Other

---@class moonpulse.core.AheadRule
---@field from moonpulse.core.Session connected; its port is read for triggers, and by nobody else meanwhile
---@field play integer? the number of the first start in the flight record; 1
---@field byte integer? of the trigger; any
---@field every integer? each n-th of those that match; 1
---@field most integer? so often the plan is started; 1
---@field delay_ns integer? from the trigger to the start; 0
---@field refractory_ns integer? from one start to the next, at least; 0
---@field from_ns integer? before it triggers do not count (monotonic)
---@field until_ns integer? after it neither
---@field least_ns integer? from the trigger before, at least; 0
---@field most_ns integer? from the trigger before, at most; any, also where there was none
---@field gate "none"|"cts"|"dsr"|"ri"|"cd"|nil a line of the port that must be high

---@class moonpulse.core.Session userdata moonpulse.session
local Session = {}

--- closed -> connected.
---@param path string of the port
---@param serial moonpulse.Serial
---@return boolean? ok
---@return string? message
---@return string? code "busy": another program has it
function Session:open(path, serial) end

--- Fire over a line, or a port of its own; only when connected. Lines are low when this returns.
---@param trigger moonpulse.core.SessionTrigger
---@return boolean? ok
---@return string? message
---@return string? code
function Session:trigger(trigger) end

--- Event codes go to the box on a port of its own; only when connected. It is at 0 when this returns.
---@param box { path: string, serial: moonpulse.Serial, width: number, line: "rts"|"dtr"|nil,
---   parallel: boolean? } width: seconds that a code stands; line: it is high then, and nothing is written;
---   parallel: path is a parallel port
---@return boolean? ok
---@return string? message
---@return string? code
function Session:codes(box) end

--- Event codes go to the box of another session, and to both alike: each gives its own, and whoever is closed
--- last closes the box. Only when connected.
---@param other moonpulse.core.Session
---@return boolean? ok
---@return string? message
---@return string? code
function Session:codes_of(other) end

--- Give it a code that is of no plan, now. What becomes of it is an outcome, of which of is "script".
---@param value integer from 1 to 255
---@param at_ns integer monotonic
---@param stopped boolean? the run has: it is told as stopped, and not given
---@return boolean? ok
---@return string? message
---@return string? code
function Session:code(value, at_ns, stopped) end

--- Write a frame: at once when connected, in the next gap when armed. Refused after a stop, until
--- acknowledge().
---@param bytes string
---@return boolean? ok
---@return string? message
---@return string? code
function Session:write(bytes) end

--- connected -> armed: from here on the safe frame goes out, whatever happens. Raises if 16 are armed.
---@param arming moonpulse.core.Arming
---@return boolean? ok
---@return string? message
---@return string? code "unsupported": the port has no such line; "state": the foot switch is pressed
function Session:arm(arming) end

--- armed -> running. Raises if the safety gate has not cleared the lowering.
---@param lowering moonpulse.core.Lowering lent until "finished" or "stopped"
---@param start_ns integer of the plan
---@return boolean? ok
---@return string? message
---@return string? code
function Session:play(lowering, start_ns) end

--- armed -> running: the lowering is played each time that a trigger comes on the port of another session.
--- Raises as play().
---@param lowering moonpulse.core.Lowering lent until "finished" or "stopped"
---@param rule moonpulse.core.AheadRule
---@return boolean? ok
---@return string? message
---@return string? code "state": that session is not connected, or lent already
function Session:ahead(lowering, rule) end

--- No trigger starts the plan any more; what was started goes on to its end.
function Session:enough() end

--- The device is safe when this returns, and the outcomes were told. Nothing if it is not armed.
---@param reason string? of core.stops; "requested"
---@param latch boolean? only the latch is set, as a signal's handler, a foot switch or the guard's end does
function Session:stop(reason, latch) end

--- So many pulses since arming need no confirmation any more.
---@param total integer
function Session:confirmed(total) end

--- So many settings since arming are confirmed.
---@param total integer -1: the device says that it is at another one; then no pulse leaves
function Session:believed(total) end

--- The short cut: pulses that are sent and confirmed like this are counted and written by the engine, until
--- one differs. For virtual time.
---@param known moonpulse.core.NearCut
---@return boolean began false: there are too many bytes
function Session:near(known) end

--- What was written so since it was asked last is in the file.
---@param goes_on boolean it may; else the long way from here on
---@return boolean goes_on it does
---@return integer contact_ns when something was sent or heard last (monotonic); 0: nothing was
---@return integer written pulses; the rest if it is above 0
---@return integer? onset_ns of the last row
---@return integer? number of its pulse in the plan
---@return integer? returned_ns of its write (monotonic)
---@return integer? told_ns when that was told
---@return string? message why the rows could not be written
function Session:near_over(goes_on) end

--- The oldest pulse that was sent so and has no row, each once.
---@return moonpulse.Outcome? outcome
---@return integer? told_ns (monotonic)
---@return integer? confirmed_ns (monotonic) while others waited, so that it may be theirs; nil: not yet
function Session:near_pending() end

--- Where it is; also of one that is closed.
---@return "closed"|"connected"|"armed"|"running"
function Session:state() end

--- A stop is known: questions may be written again.
function Session:acknowledge() end

--- What the host granted the sending thread; nothing unless it is armed.
---@return string? text for people
---@return moonpulse.core.Grants?
function Session:realtime() end

--- What the port leads to; nothing when closed.
---@return "serial"|"pty"|"virtual"|nil
---@return string? path
function Session:backend() end

--- Are the lines that come in high?
---@return boolean? cts
---@return boolean|string dsr if it failed the message
---@return string? code
function Session:lines() end

---@class moonpulse.core.Stream a stream of LSL that a port receives (engine/lsl_in.h)
---@field receives boolean now
---@field name string? "\"Markers\" of eeg-1", once one was found; as its sender says it
---@field why string? it does not receive: why, where that is known
---@field connections integer how often it began to
---@field samples integer that came, all in all
---@field passed_over integer of those: that are no byte
---@field dropped integer of those, where each is a text: that came too fast to be looked at
---@field first string? the first of these

--- What becomes of the stream of LSL that the port receives; nothing: it is another port, or closed.
---@return moonpulse.core.Stream?
function Session:stream() end

--- Any state -> closed. Also at the end of its scope.
function Session:close() end

---@class moonpulse.core.SessionTrigger
---@field line "none"|"rts"|"dtr"|"break"|nil
---@field path string? of a port of its own; nil: the device's
---@field serial moonpulse.Serial? with path
---@field rest string? what leaves a trigger box at rest: written at every stop

---@class moonpulse.core.Arming what a session is armed with; times in seconds
---@field safe string? what makes the device harmless
---@field safe_line boolean? there may be no such bytes: a line that is down is all there is
---@field tolerance number? how late a frame may leave; 0
---@field late "abort"|"skip"|nil what becomes of one that would leave later: the run stops; it is left out
---@field keepalive string? sent every keepalive_period
---@field keepalive_period number?
---@field stuck number? a loop that is silent for so long stops the run
---@field unconfirmed number? so long a pulse may wait for its confirmation before the next one leaves
---@field settings boolean? no pulse leaves before all settings are confirmed: see believed
---@field guard boolean? a process of its own sends the safe frame if this one is killed
---@field line "none"|"cts"|"dsr"|nil a foot switch
---@field line_from moonpulse.core.Session? of this one's port; nil: of its own
---@field flight moonpulse.core.Flight?
---@field together boolean? with other sessions: where one of them stops, all that are armed do ("peer")

---@class moonpulse.core.NearCut how the pulses are that need no second look
---@field frame integer from 1
---@field action integer from 1
---@field reply string the bytes that confirm one
---@field columns string of its row: of core.event_action
---@field words string of its row: the reply
---@field proof string of its row: setting_proof
---@field condition string of its row: trial_type
---@field trial integer of its row, if it is number first; 0: none
---@field block integer of its row; 0: none
---@field first integer number of a pulse in the run
---@field last integer up to there the condition and the block hold
---@field per integer so many pulses are a trial; 0: all are of one
---@field origin_ns integer from where rows count (monotonic)
---@field delay_ns integer from the write to the pulse: the wire and the latency
---@field slow_ns integer one that waits longer while another leaves is in doubt
---@field patience_ns integer so long a reply is waited for
---@field extra integer added to a pulse's number in the plan
---@field index integer of the last row
---@field confirmed integer pulses since arming
---@field file file* of events.tsv: open until near_over()
---@field sum moonpulse.core.Sum of it

---@class moonpulse.core.Grants what the host grants a timing thread
---@field fifo boolean SCHED_FIFO
---@field spin boolean a processor that it may keep busy before an instant
---@field locked boolean locked memory
---@field dma boolean the processor's sleep is held off (/dev/cpu_dma_latency)
---@field slack_ns integer? how late the kernel may wake it; of realtime_probe, if it is known

---@class moonpulse.core.LatencyTest userdata moonpulse.latency
local LatencyTest = {}

--- How far it is.
---@return boolean running
---@return integer wakes so far
---@return number worst so far, seconds
function LatencyTest:progress() end

--- End it before its time: what it has counts.
function LatencyTest:stop() end

--- Waits for its end.
---@return moonpulse.core.LatencyResult
function LatencyTest:result() end

--- How many wakes came later; after result().
---@param seconds number
---@return integer
function LatencyTest:later(seconds) end

--- Also at the end of its scope: ends its thread.
function LatencyTest:close() end

---@class moonpulse.core.LatencyResult: moonpulse.core.Grants times in seconds
---@field count integer
---@field min number
---@field p50 number
---@field p95 number
---@field p99 number
---@field ["p99.9"] number
---@field max number
---@field buckets { from: number, to: number?, count: integer }[] the last has no end

return { Task = Task, Input = Input, Process = Process, Pty = Pty, Wire = Wire, Session = Session,
  LatencyTest = LatencyTest }
