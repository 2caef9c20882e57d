--- What did not go as planned has a sign of its own in a timeline: no colour tells it.
local M = {}

-- the first that a pulse fits counts
local list = {
  { sign = "×", words = "not sent", fits = function(row) return not row.was_sent end },
  { sign = "?", words = "perhaps sent", fits = function(row) return row.status == "perhaps_sent" end },
  { sign = "!", words = "given otherwise than set",
    fits = function(row) return row.status == "otherwise" end },
  { sign = "L", words = "late", fits = function(row) return row.status == "late" end },
}

local usual = { delivered = true, sent = true, simulated = true }

M.list = list

--- The sign of a pulse; nil of one that went as planned.
---@param row table with was_sent and status
---@return string? sign
---@return integer? number in the list: the lower, the graver
function M.of(row)
  if row.was_sent and usual[row.status] then
    return nil
  end
  for number, each in ipairs(list) do
    if each.fits(row) then
      return each.sign, number
    end
  end
end

--- What the signs mean.
---@return table<string, string>
function M.words()
  local words = {}
  for _, each in ipairs(list) do
    words[each.sign] = each.words
  end
  return words
end

return M
