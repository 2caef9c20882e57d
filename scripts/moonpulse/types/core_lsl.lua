---@meta _
--- A stream of markers over LSL in moonpulse.core (bindings/lsl.c). How its functions fail: see core.lua.

local core = {}

---@class moonpulse.core.Outlet userdata moonpulse.lsl
local Outlet = {}

--- Have the ports of a stream; it is there from serve on.
---@param all boolean also for other computers
---@return moonpulse.core.Outlet?
---@return string? message
---@return string? code "busy": the port at which streams are looked for is somebody's alone
function core.lsl(all) end

--- It is found, asked and received from now on. Once.
---@param name string of the stream, 1 to 64 bytes
---@param run string the run's name
---@param version string of the program
---@return string? uid
---@return string? message
---@return string? code
function Outlet:serve(name, run, version) end

--- Tell who receives.
---@param time_ns integer of the sample (monotonic)
---@param text string at most 1024 bytes
---@return boolean pushed false: it is too long
function Outlet:push(time_ns, text) end

--- How many receive it, and what became of its samples.
---@return integer receivers that are there
---@return integer most at once so far
---@return integer samples
---@return integer lost that one who received did not take in time, or before its connection broke; over all
---@return integer refused who was not taken in: 32 were connected
function Outlet:counts() end

--- Let receivers have the rest, at the run's end: the loop stands still meanwhile.
---@param patience number seconds while none takes any
---@param most number seconds in all
function Outlet:finish(patience, most) end

--- Close it: the stream is gone.
function Outlet:close() end

return { core = core, Outlet = Outlet }
