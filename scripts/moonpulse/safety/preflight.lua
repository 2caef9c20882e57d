--- What the operator confirms before a person is stimulated: once a run, kept in the record.
local M = {}

--- The questions (safety checklist: Rossi 2009; TMSMultiLab screening form v3 and rules).
M.questions = {
  { id = "screened", text = "Was the participant screened for contraindications today (implants, metal, "
    .. "seizures, medication, pregnancy, sleep, alcohol)?" },
  { id = "consent", text = "Is informed consent given and signed?" },
  { id = "ear_protection", text = "Do participant and operator wear ear protection?" },
  { id = "threshold", text = "Was the motor threshold measured for this session, with this coil?" },
  { id = "coil", text = "Is the coil the intended one, undamaged, cool and in place?" },
  { id = "emergency", text = "Is the emergency plan (seizure, fainting) known and at hand?" },
  { id = "second_person", text = "Is a second person within call?" },
}

--- A lab's own list: a file of lines "id<tab>question" or just questions; # begins a comment.
---@param path string
---@return table[]? questions
---@return string? message
function M.load(path)
  local file, message = io.open(path)
  if not file then
    return nil, ("cannot read the preflight list: %s"):format(message)
  end
  local list = {}
  for line in file:lines() do
    local text = line:gsub("^%s+", ""):gsub("%s+$", "")
    if text ~= "" and text:sub(1, 1) ~= "#" then
      local id, question = text:match("^([%w_%-]+)\t+(.+)$")
      list[#list + 1] = { id = id or ("item_%d"):format(#list + 1), text = question or text }
    end
  end
  file:close()
  if #list == 0 then
    return nil, ("%s has no question: write one a line"):format(path)
  end
  return list
end

local yes = { y = true, yes = true }

--- Ask all questions. Only y or yes confirms; the first other answer refuses.
---@param questions table[]
---@param ask fun(text: string): string? the answer; nil at the end of input
---@param operator string? asked for where it is not given
---@return table? answers { operator, at, confirmed = { ids } }
---@return string? message
function M.ask(questions, ask, operator)
  operator = operator or ask("Operator (code or initials): ")
  if not operator or operator:match("^%s*$") then
    return nil, "the preflight needs the operator's code: answer on the terminal, or give --operator CODE"
  end
  local confirmed = {}
  for _, question in ipairs(questions) do
    local answer = ask(question.text .. " [y/n] ")
    if not answer then
      return nil, ("the preflight was not answered (%s): answer on the terminal, a line of y for each "
        .. "question"):format(question.id)
    elseif not yes[answer:lower():match("^%s*(.-)%s*$")] then
      return nil, ("the preflight was not confirmed: %s (%s)"):format(question.id, question.text)
    end
    confirmed[#confirmed + 1] = question.id
  end
  return { operator = operator:match("^%s*(.-)%s*$"), at = os.date("!%Y-%m-%dT%H:%M:%SZ"),
    confirmed = confirmed }
end

return M
