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

--- End it with all that it started; it is told nothing more. Also at the end of its scope.
function Process:close() end

---@class moonpulse.core.Pty userdata moonpulse.pty
local Pty = {}

--- Bytes for whoever opened the other side.
---@param bytes string
---@return boolean? ok
---@return string? message
---@return string? code "io": nobody reads it
function Pty:write(bytes) end

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
function Wire:write(bytes) end

--- The lines that come in at the near end are high, or low.
---@param cts boolean
---@param dsr boolean
function Wire:inputs(cts, dsr) end

--- The near end, for session:open.
---@return string path "wire:N"
function Wire:path() end

--- Also at the end of its scope.
function Wire:close() end

---@class moonpulse.core.SessionEvents what a session calls
---@field on_bytes fun(bytes: string, arrival_ns: integer)
---@field on_outcome fun(outcome: moonpulse.core.Told)
---@field on_gone fun(message: string, which: "device"|"trigger") a port is lost

---@class moonpulse.core.Stopped an outcome: the safe frame was handed to the port
---@field what "stopped"
---@field stop string name in core.stops
---@field at_ns integer monotonic
---@field safe_sent boolean the port took all of it
---@field safes integer so many of them

---@class moonpulse.core.Other an outcome of no frame of the plan
---@field what "finished"|"oneoff"
---@field stop string "none"

--- What on_outcome is given.
---@alias moonpulse.core.Told moonpulse.Outcome|moonpulse.core.Stopped|moonpulse.core.Other

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

--- The device is safe when this returns, and the outcomes were told. Nothing if it is not armed.
---@param reason string? of core.stops; "requested"
function Session:stop(reason) end

--- So many pulses since arming need no confirmation any more.
---@param total integer
function Session:confirmed(total) end

--- So many settings since arming are confirmed.
---@param total integer -1: the device says that it is at another one; then no pulse leaves
function Session:believed(total) end

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
---@field flight moonpulse.core.Flight?

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
