--- What the operator confirms and tells before a person is stimulated: once a run, kept in the record.
local check_report = require "moonpulse.safety.check_report"
local cell_text = require "moonpulse.text.cell_text"
local escapes = require "moonpulse.text.escapes"
local judge = require "moonpulse.safety.judge"
local text_files = require "moonpulse.text.text_file"

local M = {}

--- What the record has as the answer where the input ended.
M.no_answer = "no answer"
--- How the operator's code is asked for where it was not given.
M.operator_question = "Operator (code or initials): "

---@class moonpulse.Question
---@field id string
---@field text string
---@field choices string[]? what may be answered; without, only y or yes goes on

local yes_or_no = { "y", "n" }

--- The questions (safety checklist: Rossi 2009; TMSMultiLab screening form v3 and rules; how the threshold
--- was found: Westin 2014, by eye it is 11 % higher).
---@type moonpulse.Question[]
M.questions = {
  { id = "screened", text = "Was the participant screened for contraindications today (implants, metal, "
    .. "seizures, medication, pregnancy, sleep, alcohol)?" },
  { id = "consent", text = "Is informed consent given and signed?" },
  { id = "ear_protection", text = "Does the participant wear ear protection?" },
  { id = "operator_ear_protection", text = "Do you, and all others in the room, wear ear protection?" },
  { id = "threshold", text = "Was the motor threshold measured for this session, with this coil?" },
  { id = "threshold_method", text = "How was it found, by EMG or by eye?", choices = { "emg", "visual" } },
  { id = "first_session", text = "Is it the participant's first session of brain stimulation (then somebody "
    .. "watches for 10 min after it)?", choices = yes_or_no },
  { id = "coil", text = "Is the coil the intended one, undamaged, cool and in place?" },
  { id = "emergency", text = "Is the emergency plan (seizure, fainting) known and at hand?" },
  { id = "second_person", text = "Is a second person within call?" },
}

local monitoring = { id = "monitoring", choices = { "emg", "eeg", "both" }, text = "Beyond what was tested, "
  .. "EMG or EEG monitoring is needed (Rossi 2009): which one runs?" }

--- What more is asked where channels are not judged by the tables: a protocol declares them a nerve's.
---@param names string[]? nil: there are none
---@return moonpulse.Question[]
function M.nerves(names)
  return names and { { id = "nerve_channels", text = ("Channel %s is declared as a nerve's and not judged by "
    .. "the tables for the brain: is a nerve stimulator connected to it, and no coil?"):format(
      table.concat(names, ", ")) } } or {}
end

local MOST_SENTENCES = 5

--- What more is asked where a plan is beyond what was tested, or an override lets it pass a limit.
---@param report moonpulse.Report of moonpulse.safety.judge
---@return moonpulse.Question[] empty where all is within
function M.beyond(report)
  local concerns, parts, of_guidelines, over = judge.concerns(report), {}, false, {}
  for i, finding in ipairs(concerns) do
    local layer = check_report.layer_of(finding)
    of_guidelines = of_guidelines or layer == "guidelines"
    over[layer] = over[layer] or finding.verdict == "OVER"
    parts[i] = i <= MOST_SENTENCES and finding.verdict .. ": " .. judge.sentence(finding) or nil
  end
  if #concerns == 0 then
    return {}
  elseif #concerns > MOST_SENTENCES then
    parts[#parts + 1] = ("and %d more"):format(#concerns - MOST_SENTENCES)
  end
  local head = over.guidelines and "OVER a published limit" or over.lab and "OVER the lab's own limits"
    or of_guidelines and "beyond what was tested, or not covered by any table"
    or "beyond the lab's limits or the protocol's sessions"
  return { { id = "beyond_tested", text = ("This is %s:\n  %s\nGo on?"):format(head,
    table.concat(parts, "\n  ")) }, of_guidelines and monitoring or nil }
end

--- The same for an experiment, whose plans are not known yet.
---@param overridden boolean? a reason and an approval were given to pass a published limit
---@return moonpulse.Question[]
function M.beyond_of_experiment(overridden)
  return { { id = "beyond_tested", choices = yes_or_no, text = "The script decides as it runs: may it give "
    .. "what " .. (overridden and "passes a published limit or " or "") .. "is beyond what was tested (n "
    .. "refuses such a plan)?" }, monitoring }
end

local function choices_of(text)
  local list = {}
  for choice in text:lower():gmatch("[^|]+") do
    list[#list + 1] = choice:match("^%s*(.-)%s*$")
  end
  return list
end

local tab_form = "write id<tab>question, or id<tab>question<tab>emg|visual, with tabs in between"

--- One line of a list; tabs: other lines have an id. A question without one begins with a capital: else its
--- first word may be an id that lacks its tab.
---@return moonpulse.Question? question
---@return string? message
local function question_of(text, number, tabs)
  local id, rest = text:match("^([^\t]*)\t+(.+)$")
  if not id and (tabs and text:find("^[%l%d_%-]+ ") or text:find("^[%w_%-]+ [ ]+%S")) then
    return nil, ("there is no tab in %q: %s; a question without an id begins with a capital"):format(text,
      tab_form)
  elseif id and not id:find("^[%w_%-]+$") then
    return nil, ("%q is no id (letters, digits, _ and -): %s"):format(id, tab_form)
  end
  local asked, choices = (rest or text):match("^(.-)\t+(.+)$")
  return { id = id or ("item_%d"):format(number), text = asked or rest or text,
    choices = choices and choices_of(choices) }
end

--- A lab's own list: a file of lines "id<tab>question", "id<tab>question<tab>emg|visual" (what may be
--- answered), or of questions only; # begins a comment.
---@param path string
---@return moonpulse.Question[]? questions
---@return string? message
function M.load(path)
  local lines, message = text_files.lines(path)
  if not lines then
    return nil, ("cannot read the preflight list: %s"):format(message)
  end
  local asked, tabs = {}, false
  for i, line in ipairs(lines) do
    local text = line:gsub("^%s+", ""):gsub("%s+$", "")
    if text ~= "" and text:sub(1, 1) ~= "#" then
      asked[#asked + 1] = { line = i, text = text }
      tabs = tabs or text:find("\t", 1, true) ~= nil
    end
  end
  local list, line_of = {}, {}
  for i, each in ipairs(asked) do
    local question, problem = question_of(each.text, i, tabs)
    local before = question and line_of[question.id]
    if not question or before then
      return nil, ("%s:%d: %s"):format(path, each.line, problem
        or ("%q is line %d's id as well: each question has one of its own"):format(question.id, before))
    end
    list[i], line_of[question.id] = question, each.line
  end
  if #list == 0 then
    return nil, ("%s has no question: write one a line"):format(path)
  end
  return list
end

local yes, no = { y = true, yes = true }, { n = true, no = true }
local most_tries = 3 -- of a question on a terminal

--- The answer as the record keeps it, or nil and why it does not do.
local function accepted(question, answer)
  answer = answer:lower():match("^%s*(.-)%s*$")
  if not question.choices then
    if yes[answer] then
      return "y"
    end
    return nil, ("the preflight was not confirmed: %s (%s)"):format(question.id, question.text)
  end
  for _, choice in ipairs(question.choices) do
    if answer == choice or choice == "y" and yes[answer] or choice == "n" and answer == "no" then
      return choice
    end
  end
  return nil, ("the preflight was not answered: %s takes %s (%s)"):format(question.id,
    table.concat(question.choices, ", "), question.text)
end

--- Was something else typed than any answer to the question? A no declines.
local function is_mistyped(question, text)
  return question.choices ~= nil or not no[text:lower():match("^%s*(.-)%s*$")]
end

--- Ask one question: on a terminal up to three times, where something is typed that is no answer.
---@param mistyped (fun(words: string))?
---@return string? text as it was typed; nil: the input ended
---@return string? answer as the record keeps it; nil: it refuses
---@return string? message why
local function ask_one(question, ask, mistyped)
  local wording = ("%s [%s] "):format(question.text, table.concat(question.choices or yes_or_no, "/"))
  for try = 1, mistyped and most_tries or 1 do
    local text = ask(wording, try)
    if not text then
      return nil, nil, ("the preflight was not answered (%s): answer on the terminal, or a line for each "
        .. "question (docs/safety.md)"):format(question.id)
    end
    local answer, message = accepted(question, text)
    if answer or not mistyped or try == most_tries or not is_mistyped(question, text) then
      return text, answer, message
    end
    mistyped(table.concat(question.choices or yes_or_no, ", "))
  end
end

--- The operator's code: on a terminal an empty line is asked again.
local function ask_operator(ask, mistyped)
  local code
  for try = 1, mistyped and most_tries or 1 do
    code = ask(M.operator_question, try)
    if not code or code:find("%S") or try == most_tries or not mistyped then
      break
    end
    mistyped("letters or digits")
  end
  return code or ""
end

--- What was asked and answered so far, for the record.
local function answers_of(operator, confirmed, list)
  return { operator = operator and operator:match("^%s*(.-)%s*$") or nil, at = os.date("!%Y-%m-%dT%H:%M:%SZ"),
    confirmed = confirmed, answers = list }
end

--- Ask all questions. Where nothing else may be answered only y or yes goes on; the first other answer
--- refuses. Monitoring is not asked where going beyond was answered with n.
---@param questions moonpulse.Question[]
---@param ask fun(text: string, try: integer): string? the answer; nil at the end of input; try: 2 where it
---   is asked for the second time
---@param operator string|false|nil asked for where it is not given; false: nobody is there to be asked
---@param mistyped (fun(words: string))? what was typed is no answer, and it is asked again: hears what would
---   be one; nil: nothing is asked again, since nobody sits there
---@return table answers { operator, at, confirmed = { ids }, answers = { { id, question, answer } } }; with a
---   message the last of them is the one that refused, as it was typed
---@return string? message why the run may not go on
function M.ask(questions, ask, operator, mistyped)
  if operator == nil then
    operator = ask_operator(ask, mistyped)
  end
  if operator and operator:match("^%s*$") then
    return answers_of(nil, {}, {}),
      "the preflight needs the operator's code: answer on the terminal, or give --operator CODE"
  elseif operator and (not utf8.len(operator) or cell_text.problem(operator)) then
    return answers_of(nil, {}, {}),
      ("the operator's code is no plain text (%s): answer again, or give --operator "
      .. "CODE"):format(escapes.shown(operator))
  end
  local confirmed, list, of = {}, {}, {}
  for _, question in ipairs(questions) do
    if question ~= monitoring or of.beyond_tested ~= "n" then
      local text, answer, message = ask_one(question, ask, mistyped)
      list[#list + 1] = { id = question.id, question = escapes.shown(question.text),
        answer = answer or text and escapes.shown(text) or M.no_answer }
      if not answer then
        return answers_of(operator, confirmed, list), message
      end
      confirmed[#confirmed + 1] = not question.choices and question.id or nil
      of[question.id] = answer
    end
  end
  return answers_of(operator, confirmed, list)
end

--- Did the operator say that what is beyond what was tested may be given?
---@param answers table of ask
---@return boolean
function M.allows_beyond(answers)
  for _, each in ipairs(answers.answers) do
    if each.id == "beyond_tested" then
      return each.answer == "y"
    end
  end
  return false
end

return M
