---@meta _
--- What a run leaves, of moonpulse.core; its reasons to stop, limits and ports. How they fail: see core.lua.

---@class moonpulse.core.Flight userdata moonpulse.flight
local Flight = {}

--- The run starts at start_ns; the wall clock is stored beside it.
---@param start_ns integer
---@return boolean stored false: it is full
function Flight:start(start_ns) end

--- What follows is of that plan of the run.
---@param number integer from 1
---@param start_ns integer
---@return boolean stored
function Flight:play(number, start_ns) end

--- What the device said of a pulse.
---@param number integer of the pulse; 0: of none that was sent
---@param arrival_ns integer
---@param value integer? the reply as a number
---@param said "given"|"otherwise"|"going"|"some"|"external"|"external_otherwise"|nil "otherwise": not as it
---   was set; "going": the train that it began had not been cut by then; "some": one of such a train was
---   given, nobody knows which; "external": something else fired it, as was waited for
---@param play integer? the plan of the pulse; nil: the one that goes on
---@return boolean stored
function Flight:confirm(number, arrival_ns, value, said, play) end

--- An event code of no plan that no dispatcher gave to its box, as its outcome has it.
---@param code integer
---@param lost integer 0: it was given
---@param out moonpulse.core.Told
---@return boolean stored
function Flight:code(code, lost, out) end

--- The device was asked whether it is disarmed.
---@param disarmed boolean
---@return boolean stored
function Flight:left(disarmed) end

--- Records that still fit.
---@return integer
function Flight:room() end

--- Cut it to what was used. Raises while a session that writes into it is armed. Also at the end of its
--- scope.
---@return boolean? ok
---@return string? message
---@return string? code
function Flight:close() end

---@class moonpulse.core.FlightReader userdata moonpulse.flight_reader
local FlightReader = {}

--- The next whole record.
---@return moonpulse.core.FlightRecord?
---@return integer? torn after the last one: how many were passed over
function FlightReader:next() end

--- The record at a place; its plan is the one that it names itself.
---@param place integer from 1
---@return moonpulse.core.FlightRecord? nil: there is none that is whole
function FlightReader:at(place) end

--- Does a stretch begin with the next record? Then next() goes on after it.
---@return moonpulse.core.FlightStretch?
function FlightReader:stretch() end

--- The rows of a stretch that can be written: those of its first pulses.
---@param first integer place of its first record
---@param facts { run_ns: integer, begin_ns: integer, delay_ns: integer, tolerance_ns: integer? } the run's
---   start, the plan's (monotonic), from a write to its pulse; a write that ends later than that left then
---@return moonpulse.core.StretchRows? nil: none can be
---@return { count: integer, first_ns: integer, heard_ns: integer, rest: integer, values: integer[] } found
---   how many; the first one's onset and when the last was confirmed, from the run's start; the place of the
---   first pulse that has none; what values their confirmations bear
function FlightReader:rows(first, facts) end

--- What is not as it was written.
---@return moonpulse.core.FlightLosses
function FlightReader:losses() end

--- Also at the end of its scope.
function FlightReader:close() end

---@class moonpulse.core.FlightRecord times on the monotonic clock if nothing else is said
---@field kind "sent"|"skipped"|"mark"|"oneoff"|"confirm"|"finished"|"stopped"|"start"|"play"|"left"|"alive"|
---   "empty"|"unknown"
---@field send "pulse"|"set"|"mark"|"ask"|"unknown"
---@field detail integer number of the reason to stop; of a confirmation 1: otherwise, 2: the
---   train goes on, 3: of some pulse, 4, 5: one that something else fired, as set, otherwise
---@field stop string the name of that reason
---@field action integer from 1; of a confirmation its value + 1, of a stop 2: the safe frame was sent
---@field frame integer from 1
---@field number integer of the pulse or mark
---@field play integer its plan, from 1; 0: none
---@field place integer in the file, from 1
---@field planned_ns integer onset, from the plan's start
---@field due_ns integer when the frame was due
---@field woken_ns integer when the wait ended; of a confirmation when the reply came
---@field sent_ns integer before the write
---@field returned_ns integer after it; 0: not known, -1: the port did not take it, -2: it took a part

---@class moonpulse.core.FlightStretch pulses of one action that were sent and confirmed in their order, and
---   nothing else; times on the monotonic clock
---@field kind "stretch"
---@field first integer place of its first record
---@field place integer of its last one
---@field play integer its plan, from 1
---@field action integer from 1
---@field frame integer from 1
---@field number integer of its first pulse
---@field pulses integer how many were sent
---@field confirmed integer so many of them, the first ones
---@field sent_ns integer of the last one
---@field woken_ns integer the latest of all, sent_ns too
---@field returned_ns integer the latest

---@class moonpulse.core.StretchRows userdata moonpulse.stretch_rows
local StretchRows = {}

--- At most so many further rows of events.tsv.
---@param most integer
---@param known { index: integer, number: integer, tail: string, words: table<integer, string>,
---   proof: string, condition: string, trial: integer, block: integer, first: integer, per: integer }
---   number: of the pulse of the next row; words: the reply by the value of its confirmation; the others as
---   session:near has them
---@param onset_errors number[] of each, in us: added to it if it is not 0
---@return string? text nil: there are no more
---@return integer count
---@return integer onset_ns of the last one
---@return integer worst_ns how late one was at most; 0: none was
function StretchRows:text(most, known, onset_errors) end

---@class moonpulse.core.FlightLosses
---@field version integer of the format
---@field stored integer places that were given out
---@field torn integer of them no record
---@field empty integer of them never filled
---@field missing integer after the end of the file
---@field header boolean it is damaged
---@field first integer place of the first that is lost, from 1; 0: nothing is
---@field last integer

---@class moonpulse.core.FolderLock userdata moonpulse.folder_lock
local FolderLock = {}

--- Also at the end of its scope.
function FolderLock:close() end

---@class moonpulse.core.Sha256 userdata moonpulse.sha256
local Sha256 = {}

--- More bytes.
---@param text string
function Sha256:add(text) end

--- 64 hexadecimal digits of all that was added; more may follow.
---@return string
function Sha256:digits() end

---@class moonpulse.core.Sum userdata moonpulse.sum
local Sum = {}

--- More bytes.
---@param text string
function Sum:add(text) end

--- Of all so far.
---@return string digits 16, hexadecimal
function Sum:text() end

---@class moonpulse.core.EventRow what event_row writes; nil is "n/a". Times from the run's start
---@field event string? "pulse", "mark", "set_intensity", "unasked_pulse"
---@field index integer? from 1, of the row
---@field pulse integer? from 1
---@field planned_ns number? onset
---@field sent_ns number?
---@field confirmed_ns number?
---@field late_ns number?
---@field tail string? of event_action
---@field status string?
---@field reply string?
---@field timed_by "host"|"device"|"external"|nil
---@field proof "read"|"received"|"none"|nil how the device confirms its settings
---@field condition string? of a pulse: trial_type; event
---@field trial integer? from 1
---@field block integer? from 1

---@class moonpulse.core.LeftRow of core.left_rows; times in nanoseconds from the run's start, nil is "n/a"
---@field onset integer
---@field condition string
---@field index integer
---@field event string
---@field number integer? of the pulse
---@field planned integer?
---@field sent integer?
---@field confirmed integer?
---@field mso number?
---@field status string
---@field reply string
---@field timed_by string
---@field trial integer?
---@field block integer?

---@class moonpulse.core.Column a column of numbers
---@field key string
---@field most number a larger magnitude counts as missing
---@field whole boolean? another number counts as missing
---@field only_found boolean? it is in found, and not in the rows

---@class moonpulse.core.StopReason a row of engine/stop.c; texts are parts of a sentence
---@field name string "signal", "late"
---@field words string for people
---@field blame "nobody"|"operator"|"script"|"device"|"host" whose doing it is
---@field status integer the program's exit status, if the device was left safe
---@field asked_for boolean by the script, which may arm anew and go on
---@field remedy string? what to do about it
---@field scripted_words string? the words if somebody wrote a script
---@field scripted_remedy string?

---@class moonpulse.core.Limits of core.limited
---@field instructions integer
---@field seconds number of the processor's time
---@field megabytes integer of Lua's memory; the engine's may be eight times that
---@field library string? sources that begin so are not the author's

---@class moonpulse.core.SerialField a field of line settings; [1] is its name
---@field low integer? of a whole number
---@field high integer?
---@field names string[]? else what it is one of

---@class moonpulse.core.Port of core.ports
---@field path string
---@field description string?
---@field manufacturer string?
---@field usb_serial string? serial number of the adapter
---@field usb_id string? "0403:6001"

return { Flight = Flight, FlightReader = FlightReader, StretchRows = StretchRows, FolderLock = FolderLock,
  Sha256 = Sha256, Sum = Sum }
