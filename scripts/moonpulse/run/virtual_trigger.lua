--- Pulses that are no plain bytes, in virtual time: a line of the twin, a second message.
local M = {}

--- The first part of a frame happens at now_ns; the second is remembered.
---@param link table of moonpulse.run.virtual
---@param frame table of lowering:frames()
function M.first(link, frame, now_ns)
  local twin = link.twin
  local by_line = frame.line or frame.on_trigger
  if by_line then
    link:take(twin:line(frame.line or "trigger", true, now_ns))
  else
    link:take(twin:receive(frame.bytes, now_ns))
  end
  if frame.width_ns then
    link.second = { at_ns = now_ns + frame.width_ns, line = by_line and (frame.line or "trigger"),
      bytes = frame.after }
  end
end

--- The second part, if it is due by now_ns.
function M.second(link, now_ns)
  local second = link.second
  if second and second.at_ns <= now_ns then
    link.second = nil
    if second.line then
      link:take(link.twin:line(second.line, false, second.at_ns))
    else
      link:take(link.twin:receive(second.bytes, second.at_ns))
    end
  end
end

return M
