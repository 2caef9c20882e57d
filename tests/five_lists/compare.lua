--- Two lists of pulses: the first difference, in words.
local M = {}

local function words(row)
  if not row then
    return "nothing"
  elseif row.mark then
    return ("the mark %q at %.9f s"):format(row.mark, row.ns / 1e9)
  end
  return ("%.9f s, channel %s, %s%s%s%s"):format(row.ns / 1e9, row.channel or "?",
    row.mso and ("%.4g %%MSO"):format(row.mso) or "? %MSO",
    row.value and (" (%g %%%s)"):format(row.value, row.ref) or "",
    row.waveform and ", " .. row.waveform or "", row.mode and ", mode " .. row.mode or "")
end

--- Is what both rows say the same? What one of them has nothing of is not compared.
local function same(a, b, tolerance)
  if math.abs(a.ns - b.ns) > tolerance.ns or a.mark ~= b.mark then
    return false
  end
  for _, key in ipairs { "channel", "value", "ref", "waveform", "mode" } do
    if a[key] ~= nil and b[key] ~= nil and a[key] ~= b[key] then
      return false
    end
  end
  return not (a.mso and b.mso) or math.abs(a.mso - b.mso) <= tolerance.mso
end

--- nil where both lists are the same.
---@param wanted { name: string, rows: table[] }
---@param got { name: string, rows: table[] }
---@param tolerance { ns: integer, mso: number }
---@return string?
function M.difference(wanted, got, tolerance)
  for i = 1, math.max(#wanted.rows, #got.rows) do
    local a, b = wanted.rows[i], got.rows[i]
    if not a or not b or not same(a, b, tolerance) then
      return ("event %d: %s: %s; %s: %s"):format(i, wanted.name, words(a), got.name, words(b))
    end
  end
end

--- The rows that are pulses.
function M.pulses(rows)
  local list = {}
  for _, row in ipairs(rows) do
    list[#list + 1] = not row.mark and row or nil
  end
  return list
end

return M
