---@meta _
--- Plans, and what moonpulse.core draws from them. How they fail: see core.lua.

---@type moonpulse.core
local core = {}

-- Plans (bindings/plan.c) -----------------------------------------------------------------------------

--- One pulse.
---@param percent number 0 to 100 of MSO, 0 to 400 of a threshold; kept to a thousandth
---@param reference "MSO"|"RMT"|"AMT" what it is a percentage of
---@param program integer? of a train that the device times, from 1; 0: a pulse of ours
---@return moonpulse.Plan
function core.pulse(percent, reference, program) end

--- Silence. With a longest time its length is drawn from the seed, at each pass: whole microseconds above
--- min, all alike, or as law says.
---@param min number|string seconds; a text is taken exactly: "1/30"
---@param max number|string|nil seconds; min
---@param law string? "normal MEAN SD", seconds: of the distribution that min and max cut; or "weighted
---   SECONDS WEIGHT SECONDS WEIGHT ...", min and max being the least and the greatest, weights whole numbers
---@return moonpulse.Plan
function core.rest(min, max, law) end

--- A named instant; takes no time.
---@param text string
---@return moonpulse.Plan
function core.mark(text) end

--- first, then second: the .. operator.
---@param first moonpulse.Plan
---@param second moonpulse.Plan
---@return moonpulse.Plan
function core.sequence(first, second) end

--- All of a list, one after the other.
---@param plans moonpulse.Plan[] one at least
---@return moonpulse.Plan
function core.sequence_of(plans) end

--- A plan count times.
---@param plan moonpulse.Plan
---@param count integer from 1
---@param spacing "every"|"gap"|"train" what seconds are: from onset to onset; from an end to the next onset;
---   from onset to onset, with the plan's end so long after its last onset
---@param seconds number|string
---@return moonpulse.Plan
function core.repeat_plan(plan, count, spacing, seconds) end

--- A plan count times at a rate.
---@param plan moonpulse.Plan
---@param count integer from 1
---@param hz number|string above 0; taken exactly as core.exact shows
---@return moonpulse.Plan
function core.train(plan, count, hz) end

--- Plans that begin together.
---@param plans moonpulse.Plan[] 1 to 64
---@return moonpulse.Plan
function core.parallel(plans) end

--- The plan, on a channel.
---@param plan moonpulse.Plan
---@param name string
---@return moonpulse.Plan
function core.channel(plan, name) end

--- Say where a plan was written and what it is called; changes the plan: for who has just made it.
---@param plan moonpulse.Plan
---@param origin string? "file:line"
---@param label string? "train"
---@return moonpulse.Plan the same
function core.describe(plan, origin, label) end

--- Call a plan as another one is called, in whose place it is: its line, its name, its label, roles and code;
--- changes it: for who has just made it.
---@param plan moonpulse.Plan
---@param other moonpulse.Plan
---@return moonpulse.Plan the same
function core.like(plan, other) end

--- The same plan with a condition and roles; those that it has stay.
---@param plan moonpulse.Plan
---@param condition string? what its pulses are: 1 to 63 bytes, no control characters; those inside that have
---   one keep it
---@param roles string? "trial", "block", "trials", spaces between
---@return moonpulse.Plan another one
function core.tagged(plan, condition, roles) end

--- The same plan with an event code: of a mark its own, else of each of its pulses. Raises outside 1 to 255.
---@param plan moonpulse.Plan
---@param code integer from 1 to 255; parts inside that have one keep it
---@return moonpulse.Plan another one
function core.coded(plan, code) end

--- What an author's rate or time is taken as: the simplest fraction that is written so.
---@param value number|string
---@return integer numerator
---@return integer denominator from 1
function core.exact(value) end

--- Is a value a plan?
---@param value any
---@return boolean
function core.is_plan(value) end

--- The same function, called through C, so that its caller's line is on the stack also at a tail call.
---@generic F: function
---@param call F
---@return F
function core.framed(call) end

--- The events of a plan, one by one (bindings/schedule.c). A plan that cannot be played is raised as a
--- sentence without a place.
---@param plan moonpulse.Plan
---@param seed integer of random rests
---@return moonpulse.core.Schedule
function core.schedule(plan, seed) end

--- A plan on its way to frames (bindings/lowering.c): a driver fills it, then it is checked. Raises as
--- schedule does.
---@param plan moonpulse.Plan
---@param seed integer
---@param serial moonpulse.Serial of the device's port
---@param latency number seconds from a command to its pulse, 0 to 1
---@param trigger moonpulse.Serial? of a port of its own that fires; serial
---@return moonpulse.core.Lowering
function core.lowering(plan, seed, serial, latency, trigger) end

-- What they make ---------------------------------------------------------------------------------------

--- An immutable plan: a .. b is a then b, a * 3 three times back to back. The methods times, at, label and
--- block are compose's; they fail at the author's line.
---@class moonpulse.Plan userdata moonpulse.plan
---@field times fun(self: moonpulse.Plan, count: integer, spacing: table?): moonpulse.Plan count times: back
---   to back, with { every = seconds } from onset to onset, with { gap = seconds } from an end to the next
---   onset
---@field at fun(self: moonpulse.Plan, channel: string): moonpulse.Plan pulses without a channel go
---   to this one
---@field label fun(self: moonpulse.Plan, condition: string): moonpulse.Plan its pulses are of that condition
---@field block fun(self: moonpulse.Plan): moonpulse.Plan it is a block of trials
---@operator concat(moonpulse.Plan): moonpulse.Plan
---@operator mul(integer): moonpulse.Plan
local Plan = {}

--- Facts in closed form: nothing is walked.
---@return moonpulse.core.Totals
function Plan:totals() end

--- What this one node is.
---@return moonpulse.core.View
function Plan:view() end

--- A part of this node. Raises if there is none.
---@param index integer from 1 to view().children
---@return moonpulse.Plan
function Plan:child(index) end

--- The parts of this node, as numbers: for who looks at many.
---@return (integer|false)[] ids id() of each; false: there is no pulse in it
---@return integer[] spans nominal end of each, in nanoseconds, rounded down
---@return number[] rests what is left of them, less than 1 ns each
function Plan:parts() end

--- A number that is this node's while it lives: parts that are shared have the same.
---@return integer
function Plan:id() end

---@class moonpulse.core.Totals times in seconds; if random is set, with the shortest rests
---@field pulses integer
---@field marks integer
---@field leaves number pulses, marks and rests: there may be more than 2^63
---@field first number onset of the first pulse
---@field last number onset of the last one
---@field span number nominal end
---@field span_max number the same with the longest rests
---@field whole number whole cycles: with what follows the last repetition
---@field exact_span string? span as a fraction of seconds: "3/50"; nil: it has none that fits
---@field depth integer of nesting
---@field random boolean are there rests that are drawn?
---@field unnamed boolean are there pulses that nobody gave a channel?
---@field coded boolean have pulses or marks an event code?

---@class moonpulse.core.View a node of a plan
---@field kind "pulse"|"rest"|"mark"|"sequence"|"repeat"|"parallel"|"channel"
---@field label string what it is called: "burst"; "" if nothing
---@field origin string where it was written: "file:line"; "" if not known
---@field condition string of its own, as plan:label says; "" if it has none
---@field code integer its own event code; 0: none
---@field roles string "trial": one stimulus; "block"; "trials": of mp.trials; spaces between
---@field text string? of a mark, name of a channel
---@field children integer
---@field intensity number? of a pulse, in percent of reference
---@field reference "MSO"|"RMT"|"AMT"|nil of a pulse
---@field program integer? of a pulse: the train that it stands for; 0: none
---@field min number? of a rest, seconds
---@field max number? of a rest, seconds
---@field exact string? of a rest: min as a fraction
---@field exact_max string? of a rest: max as a fraction
---@field law string|false|nil of a rest: how it is drawn, as for core.rest; false: it cannot be written; nil:
---   all lengths alike
---@field count integer? of a repetition
---@field spacing "every"|"gap"|"train"|nil of a repetition
---@field period number? of a repetition, seconds, as spacing says
---@field exact_period string? the same as a fraction
---@field exact_every string? from onset to onset, as a fraction
---@field hz number? 1 / period

---@class moonpulse.core.Schedule userdata moonpulse.schedule
local Schedule = {}

--- The next event in time; nothing after the last one.
---@return "pulse"|"mark"|nil kind
---@return integer onset_us from the plan's start, rounded once
---@return integer number from 1, over pulses or over marks
---@return integer|string action of a pulse, from 1; of a mark its text
---@return integer onset_ns
---@return integer code its event code; 0: none
function Schedule:next() end

--- Begin again.
function Schedule:rewind() end

--- The distinct things that the plan asks of a device.
---@return moonpulse.Action[] only what core fills in: channel, intensity, reference, program
function Schedule:actions() end

--- Walk all of it, for plans whose rests are drawn; then it is rewound.
---@param progress (fun(walked: integer))? called now and then with the events so far
---@return integer pulses
---@return integer first_us onset of the first; -1: there is none
---@return integer last_us
---@return integer end_ns of the plan
function Schedule:measure(progress) end

--- The event codes of all its pulses and marks; then it is rewound.
---@param progress (fun(walked: integer))? called now and then with the events so far
---@return table<integer, integer> counts how many there are, by code
---@return { least_ns: integer, first: integer, second: integer, first_line: string, second_line: string }?
---   closest the two that come closest, and the lines that made them; nil: there are fewer than two
function Schedule:codes(progress) end

--- Write a line for each event: index, onset_us, event, tail, pulse number, text of a mark, its condition,
--- trial and block, and where asked for its event code.
---@param file file*
---@param tails table<integer|"mark", string> columns of each action, and of marks
---@param place fun(number: integer): string, integer?, integer?, integer, integer? condition, trial and block
---   of that pulse; up to which pulse they hold, with how many pulses a trial (nil: all are of one)
---@param coded boolean? with a column of event codes
---@return boolean? ok
---@return string? message
---@return string? code "closed": the reader went away
function Schedule:write(file, tails, place, coded) end

--- The frames of a plan. What changes it takes back that the safety gate has cleared it; none of that
--- may be done while it is being played.
---@class moonpulse.core.Lowering userdata moonpulse.lowering
local Lowering = {}

--- The safety gate lets it be played as it is: only moonpulse.safety.gate says so.
function Lowering:clear() end

--- Did it pass the gate, and was it not changed since?
---@return boolean
function Lowering:cleared() end

--- As of a schedule: a driver fills in the rest.
---@return moonpulse.Action[]
function Lowering:actions() end

--- What fires an action. Raises for bytes or a width that a frame cannot have.
---@param action integer from 1
---@param fire string|moonpulse.Fire bytes, or two parts
---@param interval number the shortest to the next pulse, in seconds
function Lowering:pulse(action, fire, interval) end

--- How long the device is busy with an action, if that is not its shortest interval: a train.
---@param action integer
---@param lasts number seconds from its start until the device takes the next
---@param locked number? seconds from its start until it takes settings
function Lowering:lasts(action, lasts, locked) end

--- If each output has a stimulator of its own: to which one an action goes.
---@param action integer
---@param output integer 0 to 15
---@param across number seconds until a pulse on another output may come
---@param whole boolean what it is set to is that of all outputs
function Lowering:output(action, output, across, whole) end

--- Of several devices that play the plan an action is another's: it is not in the stream.
---@param action integer
function Lowering:leave(action) end

--- The marks are not in the stream: another device tells them.
function Lowering:without_marks() end

--- Ask the device before each setting, after the pulse before.
---@param bytes string
---@param allow number seconds that an answer may take without making the setting later
function Lowering:ask(bytes, allow) end

--- Each change of action that will happen, for change().
---@return integer[][] { from, to }
function Lowering:changes() end

--- The setting from one action to another.
---@param from integer
---@param to integer
---@param bytes string "": none
---@param lead number seconds that the device needs before the pulse
function Lowering:change(from, to, bytes, lead) end

--- Walk the whole stream, in parts: can the device and the wire do it?
---@param budget integer frames to walk in this call
---@return boolean finished false: call again
---@return moonpulse.core.Violation? violation the first one
function Lowering:check(budget) end

--- Of a plan that was checked: how many pulses leave no room for an onset error after the one before?
---@return integer
---@return moonpulse.core.Violation? first such pair
function Lowering:tight() end

--- The next frame in time, as the dispatcher draws it; nothing after the last one.
---@return "pulse"|"set"|"ask"|"mark"|nil kind
---@return integer number of the pulse or mark; of a setting that of the pulse it prepares
---@return integer onset_ns from the plan's start
---@return integer send_ns when its first bit leaves
---@return integer|string action from 1; of a mark its text
---@return integer? frame from 1
function Lowering:next() end

--- Begin again.
function Lowering:rewind() end

--- All distinct frames, as they were filled in.
---@return moonpulse.Frame[]
function Lowering:frames() end

--- How long before its onset the first frame may leave.
---@return number seconds
function Lowering:lead() end

--- The texts of the marks, by the number that the flight record has of them.
---@return string[]
function Lowering:marks() end

---@class moonpulse.core.Violation why a plan cannot be sent: two pulses
---@field kind "interval"|"across"|"wire"|"lead"|"width"|nil faster than the device; than it is across
---   outputs; frames overlap on the wire; no time for a setting; the trigger pulse before is not over; nil of
---   tight()
---@field first integer number of the pulse
---@field second integer
---@field first_us integer onset
---@field second_us integer
---@field interval_ns integer as planned
---@field least_ns integer the shortest that passes
---@field first_origin string "file:line"
---@field second_origin string

return { core = core, Plan = Plan, Schedule = Schedule, Lowering = Lowering }
