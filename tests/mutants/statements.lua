--- Where a statement that can be left out begins and ends: a call, an assignment, a break. Declarations stay.
local M = {}

local words = [[and break do else elseif end false for function goto if in local nil not or repeat return then
  true until while case continue default enum extern sizeof static struct switch typedef union const]]

--- Words of either language that are no names.
M.keywords = {}
for word in words:gmatch("%a+") do
  M.keywords[word] = true
end

local begins_after = {
  c = { [";"] = true, ["{"] = true, ["}"] = true, ["else"] = true, ["do"] = true, [":"] = true },
  lua = { [";"] = true, ["then"] = true, ["else"] = true, ["do"] = true, ["repeat"] = true },
}
local stops = { ["break"] = true, ["continue"] = true }

--- Does this bracket of Lua hold the parameters of a function?
function M.is_head(tokens, i)
  local j = i - 1
  while j > 0 and (tokens[j].kind == "name" and not M.keywords[tokens[j].text] or tokens[j].text == "."
    or tokens[j].text == ":") do
    j = j - 1
  end
  return j > 0 and tokens[j].text == "function"
end

--- Can an expression end with this token?
local function may_end(token)
  return token.kind == "number" or token.kind == "string" or token.kind == "name"
    and (not M.keywords[token.text] or token.text == "nil" or token.text == "true" or token.text == "false"
      or token.text == "end" or stops[token.text]) or token.text == ")" or token.text == "]"
    or token.text == "}" or token.text == "..."
end

local function c_ends(at, i)
  local tokens = at.tokens
  local token, before, after = tokens[i], tokens[i - 1], tokens[i + 1]
  local closes = before.text == ")" and at.pairs[i - 1]
  local behind = closes and tokens[closes - 1].text
  local bracket = tokens[at.within[i]]
  if bracket and bracket.text == "(" then -- what a "for" does after each turn
    return
  elseif not begins_after.c[before.text] and not (behind == "if" or behind == "for" or behind == "while") then
    return
  end
  local assigns = { ["("] = true, ["="] = true, ["->"] = true, ["."] = true, ["["] = true, ["++"] = true,
    ["--"] = true, ["+="] = true, ["-="] = true, ["|="] = true }
  local is_name = token.kind == "name" and not M.keywords[token.text]
  local is_one = stops[token.text] or is_name and assigns[after.text]
    or token.text == "(" and after.text == "void" or token.text == "*" or token.text == "++"
  if not is_one then
    return
  end
  local j = i
  while j <= #tokens and tokens[j].text ~= ";" do
    j = at.pairs[j] and at.pairs[j] > j and at.pairs[j] or j
    if tokens[j].text == "{" or tokens[j].text == "}" then -- a row of values, or no statement at all
      return
    end
    j = j + 1
  end
  return j
end

--- The token after which the statement that begins with token i is over; as far as lines tell it.
local function lua_last(at, i)
  local tokens, j, assigns = at.tokens, i, false
  while true do
    local token = tokens[j]
    if token.text == "function" then
      return
    elseif at.pairs[j] and at.pairs[j] > j then
      j = at.pairs[j]
    elseif token.text == "=" then
      assigns = true
    end
    local now, after = tokens[j], tokens[j + 1]
    local goes_on = after and (after.kind == "op" or after.text == "and" or after.text == "or"
      or after.kind == "string" and not assigns or not may_end(now))
    if not goes_on then
      return j, assigns
    end
    j = j + 1
  end
end

local function lua_ends(at, i)
  local tokens = at.tokens
  local token, before = tokens[i], tokens[i - 1]
  if stops[token.text] then
    return i
  elseif token.kind ~= "name" or M.keywords[token.text] then
    return
  end
  local parameters = before.text == ")" and at.pairs[i - 1] and M.is_head(tokens, at.pairs[i - 1])
    or before.text == ")" and tokens[at.pairs[i - 1] - 1].text == "function"
  if not parameters and not begins_after.lua[before.text]
    and not (before.line < token.line and may_end(before) and not stops[before.text]) then
    return
  end
  local last, assigns = lua_last(at, i)
  if last and (assigns or tokens[last].text == ")") then
    return last
  end
end

--- The last token of the statement that begins with token i; nil if none that can be left out does.
---@param at table tokens, pairs, within
---@param i integer
---@param language "c"|"lua"
---@return integer?
function M.ends(at, i, language)
  if i == 1 or not at.tokens[i + 1] then
    return nil
  end
  return (language == "c" and c_ends or lua_ends)(at, i)
end

return M
