/* Appends words and numbers to a fixed buffer, cut where it ends and always terminated. */
#ifndef CONVKIT_UTIL_TEXT_H
#define CONVKIT_UTIL_TEXT_H

#include <stddef.h>
#include <stdint.h>

namespace convkit {

class Text {
 public:
  template <size_t SIZE>
  explicit Text(char (&buffer)[SIZE]) : Text(buffer, SIZE) {}
  Text(char *buffer, size_t size) : buffer_(buffer), room_(size) {
    if (room_ > 0) *buffer_ = 0;
  }
  Text &add(const char *words) {
    for (; *words && room_ > 1; ++words, --room_) *buffer_++ = *words;
    if (room_ > 0) *buffer_ = 0;
    return *this;
  }
  Text &add(int64_t number) { /* >= 0 */
    char digits[24];
    char *first = digits + sizeof digits - 1;
    *first = 0;
    do {
      *--first = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number > 0);
    return add(first);
  }

 private:
  char *buffer_;
  size_t room_;
};

}  // namespace convkit
#endif
